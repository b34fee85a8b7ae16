"""StorageClass and size of volumes for software that replicates its data itself."""

from collections.abc import Iterator

from components.layer import Finding, Lab
from components.layers.longhorn import SINGLE

_MEBIBYTES = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024, "Ti": 1024**2, "Pi": 1024**3}


def mebibytes(size: str) -> int:
    """Convert a Kubernetes quantity such as `10Gi` to MiB."""
    return int(int(size[:-2]) * _MEBIBYTES[size[-2:]])


def class_of(lab: Lab, storage_class: str | None, replicas: int) -> str | None:
    """Return the StorageClass, or None for the default. Software with several replicas gets unreplicated volumes."""
    return storage_class or (SINGLE if replicas > 1 and lab.has("longhorn") else None)


def problems(lab: Lab, storage_class: str | None, *place: str) -> Iterator[Finding]:
    """Yield a finding if the cluster has no StorageClass. `place` is the path of the setting below the layer's key."""
    if "local-storage" in lab.cluster.k3s.disable and not (lab.has("longhorn") or storage_class):
        reason = "has no StorageClass: local-storage is disabled and longhorn is off"
        yield place, reason, "add longhorn: {} beside it, or set storageClass to a StorageClass of your own"
