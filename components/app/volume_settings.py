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
    """Host name or IP address of the NFS server."""
    path: AbsolutePath
    """Path of the exported folder."""


class AppHostPathSettings(Model):
    """A folder of one node. The app runs only on the node of the folder."""

    node: DnsLabel
    """Name of the node."""
    path: AbsolutePath
    """Path of the folder on the node. The folder must exist, and files in the folder keep their owner."""


class AppVolumeSettings(Model):
    """A volume of the app. Only one pod can mount the volume, unless `shared`, `perPod` or `memory` is set."""

    path: AbsolutePath
    """Mount path in the containers."""
    size: Size | None = None
    """Size of the volume, required with a StorageClass or `memory`. A later change does not resize an existing
    volume."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volume. Default: the platform's default StorageClass."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Access mode of the volume's PersistentVolumeClaim. Default: ReadWriteMany with `shared`, ReadWriteOnce without
    `shared`."""
    shared: StrictBool = False
    """Whether all pods mount the same volume. A shared volume needs a StorageClass with ReadWriteMany, from longhorn,
    nfs or rookCeph."""
    per_pod: StrictBool = False
    """Whether each replica has a separate volume, in a StatefulSet."""
    read_only: StrictBool = False
    """Whether containers mount the volume read-only. Any number of pods may mount a read-only NFS share or node
    folder."""
    nfs: AppNfsSettings | None = None
    """NFS share instead of a StorageClass. NFS shares need `cluster.apps.nfs` in the platform's stack file."""
    claim: ObjectName | None = None
    """Existing PersistentVolumeClaim in the app's namespace, instead of a new volume."""
    host_path: AppHostPathSettings | None = None
    """Folder of one node instead of a StorageClass."""
    memory: StrictBool = False
    """Whether the volume is in memory (tmpfs). A volume in memory is empty when a pod starts, and counts as the pod's
    memory."""

    @property
    def source_keys(self) -> tuple[str, ...]:
        """Keys that define the volume without a StorageClass. More than one key is an error."""
        return tuple(camel_case(name) for name in SOURCE_FIELDS if getattr(self, name))

    @property
    def is_provisioned(self) -> bool:
        """Whether a StorageClass provisions the volume."""
        return not self.source_keys

    @property
    def deleted_with_namespace(self) -> bool:
        """Whether the deletion of the app's namespace deletes the volume's data."""
        return self.is_provisioned or self.claim is not None

    @property
    def is_single_pod(self) -> bool:
        """Whether at most one pod may mount the volume."""
        elsewhere = self.nfs is not None or self.host_path is not None
        return not (self.shared or self.per_pod or self.memory or (elsewhere and self.read_only))
