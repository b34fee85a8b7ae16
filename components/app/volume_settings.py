"""Settings of the volumes of an app."""

from typing import Literal

from components.settings.fields import Host, HostLabel, Switch
from components.settings.kubernetes_fields import ObjectName, Path, Size
from components.settings.model import Model, camel

WithoutStorageClass = Literal["nfs", "claim", "host_path", "memory"]
KINDS: tuple[WithoutStorageClass, ...] = ("nfs", "claim", "host_path", "memory")
"""Fields that define a volume without a StorageClass."""


class AppNfsSettings(Model):
    """A folder that a server, such as a NAS, exports over NFS."""

    server: Host
    """Host name or IP address of the NFS server."""
    path: Path
    """Path of the exported folder."""


class AppHostPathSettings(Model):
    """A folder of one node. The app runs only on the node of the folder."""

    node: HostLabel
    """Name of the node."""
    path: Path
    """Path of the folder on the node. The folder must exist, and files in the folder keep their owner."""


class AppVolumeSettings(Model):
    """A volume of the app. Only one pod can mount the volume, unless `shared`, `perPod` or `memory` is set."""

    path: Path
    """Mount path in the containers."""
    size: Size | None = None
    """Size of the volume, required with a StorageClass or `memory`. A later change does not resize an existing
    volume."""
    storage_class: HostLabel | None = None
    """StorageClass of the volume. Default: the platform's default StorageClass."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Access mode of the volume's PersistentVolumeClaim. Default: ReadWriteMany with `shared`, ReadWriteOnce without
    `shared`."""
    shared: Switch = False
    """Whether all pods mount the same volume. A shared volume needs a StorageClass with ReadWriteMany, from longhorn,
    nfs or rookCeph."""
    per_pod: Switch = False
    """Whether each replica has a separate volume, in a StatefulSet."""
    read_only: Switch = False
    """Whether containers mount the volume read-only. Any number of pods may mount a read-only NFS share or node
    folder."""
    nfs: AppNfsSettings | None = None
    """NFS share instead of a StorageClass. NFS shares need `cluster.apps.nfs` in the platform's stack file."""
    claim: ObjectName | None = None
    """Existing PersistentVolumeClaim in the app's namespace, instead of a new volume."""
    host_path: AppHostPathSettings | None = None
    """Folder of one node instead of a StorageClass."""
    memory: Switch = False
    """Whether the volume is in memory (tmpfs). A volume in memory is empty when a pod starts, and counts as the pod's
    memory."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Keys that define the volume without a StorageClass. More than one key is an error."""
        return tuple(camel(kind) for kind in KINDS if getattr(self, kind))

    @property
    def of_class(self) -> bool:
        """Whether a StorageClass provisions the volume."""
        return not self.kinds

    @property
    def kept(self) -> bool:
        """Whether the deletion of the app's namespace deletes the volume's data."""
        return self.of_class or self.claim is not None

    @property
    def single(self) -> bool:
        """Whether at most one pod may mount the volume."""
        elsewhere = self.nfs is not None or self.host_path is not None
        return not (self.shared or self.per_pod or self.memory or (elsewhere and self.read_only))
