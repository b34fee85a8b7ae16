"""The folders of an app whose content outlives its pods, or comes from elsewhere, as its owner describes them."""

from typing import Literal

from components.app.kinds import ObjectName, Path, Size
from components.fields import Host, HostLabel, Switch
from components.model import Model, camel

Elsewhere = Literal["nfs", "claim", "host_path", "memory"]
KINDS: tuple[Elsewhere, ...] = ("nfs", "claim", "host_path", "memory")
"""What a volume may be beside one of a storage class."""


class AppNfsSettings(Model):
    """A folder that a server such as a NAS shares by NFS."""

    server: Host
    """Its name or address."""
    path: Path
    """The folder there."""


class AppHostPathSettings(Model):
    """A folder of one machine. The app runs on that machine and on no other."""

    node: HostLabel
    """The machine, by its name."""
    path: Path
    """The folder there, which must exist; nothing changes who it belongs to."""


class AppVolumeSettings(Model):
    """A folder whose content stays. One pod writes it, unless it is `shared` or `perPod`."""

    path: Path
    """Where the app sees it."""
    size: Size | None = None
    """Its size, which a volume of a storage class and one in memory need. The first does not grow with this number
    once it is there."""
    storage_class: HostLabel | None = None
    """Its storage class. Default: the platform's."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Who may mount it: one machine, one pod, or many machines. Default: one machine, many where it is shared."""
    shared: Switch = False
    """Whether all pods share it: of a storage class by longhorn, nfs or rookCeph, or what is elsewhere."""
    per_pod: Switch = False
    """Whether each of several pods has one for itself, as the members of a cluster have: the app is a StatefulSet."""
    read_only: Switch = False
    """Whether the app only reads it. Any number of pods may then have it, but for a claim."""
    nfs: AppNfsSettings | None = None
    """A share of a NAS instead of a storage class. The platform needs `cluster.apps.nfs`."""
    claim: ObjectName | None = None
    """A PersistentVolumeClaim that is in the app's namespace, instead of one that is made."""
    host_path: AppHostPathSettings | None = None
    """A folder of one machine instead of a storage class."""
    memory: Switch = False
    """Whether it is in the memory of the pod, which counts it, and begins empty."""

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
