"""StorageClass of volumes for software that replicates its data itself."""

from collections.abc import Iterator

from components.layers.longhorn import SINGLE
from components.platform.layer import Finding, Lab


def class_of(lab: Lab, storage_class: str | None, replicas: int) -> str | None:
    """Return the StorageClass, or None for the default. On Longhorn, replicated software uses `longhorn-single`."""
    return storage_class or (SINGLE if replicas > 1 and lab.has("longhorn") else None)


def problems(lab: Lab, storage_class: str | None, *place: str) -> Iterator[Finding]:
    """Yield an error if the cluster has no StorageClass. `place` is the path of the setting below the layer's key."""
    if "local-storage" in lab.cluster.k3s.disable and not (lab.has("longhorn") or storage_class):
        reason = "has no StorageClass: local-storage and longhorn are disabled"
        yield place, reason, "add longhorn: {} to the platform, or set storageClass to your own StorageClass"
