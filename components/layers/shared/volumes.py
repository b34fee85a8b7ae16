"""Volumes and nodes of software that replicates its data itself, such as Kafka."""

from collections.abc import Iterator

from components.layers.longhorn import SINGLE_REPLICA_CLASS
from components.platform.layer import LabContext
from components.settings.errors import Finding


def storage_class_for(lab: LabContext, storage_class: str | None, replicas: int) -> str | None:
    """Return the name of a StorageClass, or None for the cluster's default StorageClass.

    If Longhorn is enabled and `replicas` is greater than 1, the StorageClass is `longhorn-single`.
    """
    return storage_class or (SINGLE_REPLICA_CLASS if replicas > 1 and lab.is_enabled("longhorn") else None)


def findings(lab: LabContext, storage_class: str | None, *path: str) -> Iterator[Finding]:
    """Yield an error if the cluster has no StorageClass for the layer's volumes.

    `path` is the path of the setting below the layer's key.
    """
    if "local-storage" in lab.cluster.k3s.disable and not (lab.is_enabled("longhorn") or storage_class):
        reason = "has no StorageClass: local-storage and longhorn are disabled"
        yield path, reason, "add longhorn: {} to the platform, or set storageClass to your own StorageClass"


def member_findings(lab: LabContext, members: int | None, fix: str) -> Iterator[Finding]:
    """Yield an error if the setting `cluster.members` exceeds the number of nodes on which members can run.

    `{count}` in `fix` stands for the number of these nodes.
    """
    count = len(lab.schedulable_nodes)
    if members and members > count:
        reason = f"exceeds the number of untainted nodes ({count})"
        yield ("cluster", "members"), reason, fix.format(count=count)
