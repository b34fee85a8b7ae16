"""The volumes of an app, as its owner describes them."""

from typing import Literal

from components.app.kinds import ObjectName, Path, Size
from components.fields import Host, HostLabel, Switch
from components.model import Model, camel

Elsewhere = Literal["nfs", "claim", "host_path", "memory"]
KINDS: tuple[Elsewhere, ...] = ("nfs", "claim", "host_path", "memory")
"""What a volume may be instead of one of a StorageClass."""


class AppNfsSettings(Model):
    """A folder that a server, such as a NAS, exports by NFS."""

    server: Host
    """Name or address of the server."""
    path: Path
    """The exported folder."""


class AppHostPathSettings(Model):
    """A folder of one node. The app runs on that node only."""

    node: HostLabel
    """Name of the node."""
    path: Path
    """The folder on the node. It must exist; its files keep their owner."""


class AppVolumeSettings(Model):
    """A volume of the app. It is for one pod, unless it is `shared`, `perPod` or in `memory`."""

    path: Path
    """Where containers mount it."""
    size: Size | None = None
    """Its size, required for a volume of a StorageClass and for one in memory. A later change does not resize an
    existing volume."""
    storage_class: HostLabel | None = None
    """Its StorageClass. Default: the platform's."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Access mode of its claim. Default: ReadWriteOnce, or ReadWriteMany if it is `shared`."""
    shared: Switch = False
    """Whether all pods mount the same volume. Its StorageClass must allow ReadWriteMany: longhorn, nfs, rookCeph."""
    per_pod: Switch = False
    """Whether each replica has a volume of its own, by a StatefulSet."""
    read_only: Switch = False
    """Whether containers mount it read-only. With `nfs` and `hostPath`, any number of pods may then mount it."""
    nfs: AppNfsSettings | None = None
    """A share of a NAS instead of a StorageClass. The platform needs `cluster.apps.nfs`."""
    claim: ObjectName | None = None
    """An existing PersistentVolumeClaim of the app's namespace, instead of a new one."""
    host_path: AppHostPathSettings | None = None
    """A folder of one node instead of a StorageClass."""
    memory: Switch = False
    """Whether it is in memory (tmpfs): empty at the start of a pod, and part of the pod's memory."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it is instead of one of a storage class, by its keys; more than one is a mistake."""
        return tuple(camel(kind) for kind in KINDS if getattr(self, kind))

    @property
    def of_class(self) -> bool:
        """Whether it is made, of a storage class."""
        return not self.kinds

    @property
    def kept(self) -> bool:
        """Whether its content goes with the namespace of the app."""
        return self.of_class or self.claim is not None

    @property
    def single(self) -> bool:
        """Whether no more than one pod may have it."""
        elsewhere = self.nfs is not None or self.host_path is not None
        return not (self.shared or self.per_pod or self.memory or (elsewhere and self.read_only))
