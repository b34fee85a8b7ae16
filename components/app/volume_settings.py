"""Settings of the volumes of an app."""

from typing import Literal

from components.settings.fields import DnsLabel, Host, StrictBool
from components.settings.kubernetes_fields import AbsolutePath, ObjectName, Size
from components.settings.model import Model, camel_case

SourceField = Literal["nfs", "claim", "host_path", "memory"]
SOURCE_FIELDS: tuple[SourceField, ...] = ("nfs", "claim", "host_path", "memory")
"""Fields that define a volume without a StorageClass."""


class AppNfsSettings(Model):
    """A folder that a server, such as a NAS, exports over NFS."""

    server: Host
    """Host name or IP address of the server."""
    path: AbsolutePath
    """Path of the exported folder."""


class AppHostPathSettings(Model):
    """A folder of one node. The app runs on that node only."""

    node: DnsLabel
    """Name of the node."""
    path: AbsolutePath
    """Path of the folder on the node. It must exist. Its files keep their owner."""


class AppVolumeSettings(Model):
    """A volume of the app. Only one pod can mount it, unless it is `shared`, `perPod` or in `memory`."""

    path: AbsolutePath
    """Mount path in the containers."""
    size: Size | None = None
    """Size of the volume, required with a StorageClass or `memory`. A later change does not resize a volume."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volume. Default: the platform's default StorageClass."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Access mode of its PersistentVolumeClaim. Default: ReadWriteOnce, or ReadWriteMany if it is `shared`."""
    shared: StrictBool = False
    """Whether all pods mount the same volume. Needs a StorageClass with ReadWriteMany: of longhorn, nfs or rookCeph."""
    per_pod: StrictBool = False
    """Whether each replica has a separate volume, in a StatefulSet."""
    read_only: StrictBool = False
    """Whether containers mount the volume read-only. Any number of pods may mount a read-only share or node folder."""
    nfs: AppNfsSettings | None = None
    """NFS share instead of a StorageClass. Needs `cluster.apps.nfs` in the platform's stack file."""
    claim: ObjectName | None = None
    """Existing PersistentVolumeClaim in the app's namespace, instead of a new one."""
    host_path: AppHostPathSettings | None = None
    """Folder of one node instead of a StorageClass."""
    memory: StrictBool = False
    """Whether the volume is in memory (tmpfs). It is empty when a pod starts, and counts as memory of the pod."""

    @property
    def source_keys(self) -> tuple[str, ...]:
        """Keys that define this volume without a StorageClass. More than one is an error."""
        return tuple(camel_case(name) for name in SOURCE_FIELDS if getattr(self, name))

    @property
    def is_provisioned(self) -> bool:
        """Whether a StorageClass provisions the volume."""
        return not self.source_keys

    @property
    def deleted_with_namespace(self) -> bool:
        """Whether deleting the app's namespace deletes its data."""
        return self.is_provisioned or self.claim is not None

    @property
    def is_single_pod(self) -> bool:
        """Whether at most one pod may mount it."""
        elsewhere = self.nfs is not None or self.host_path is not None
        return not (self.shared or self.per_pod or self.memory or (elsewhere and self.read_only))
