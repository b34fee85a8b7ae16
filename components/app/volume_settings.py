"""Settings of the volumes of an app."""

from typing import Literal

from components.settings.fields import DnsLabel, Host, StrictBool
from components.settings.kubernetes_fields import AbsolutePath, ObjectName, RelativePath, Size
from components.settings.model import Model, camel_case

SourceField = Literal["nfs", "claim", "host_path", "memory"]
SOURCE_FIELDS: tuple[SourceField, ...] = ("nfs", "claim", "host_path", "memory")
"""Fields that define a volume without a StorageClass."""


class AppNfsSettings(Model):
    """An NFS share: a folder that a server, such as a NAS, exports over NFS."""

    server: Host
    """Host name or IP address of the NFS server."""
    path: AbsolutePath
    """Path of the exported folder."""


class AppHostPathSettings(Model):
    """A folder on one node (hostPath). Kubernetes runs the app only on this node."""

    node: DnsLabel
    """Name of the node."""
    path: AbsolutePath
    """Path of the folder on the node. The folder must exist, and its files keep their owner."""


class AppMountSettings(Model):
    """An additional mount of a volume in the app's containers."""

    path: AbsolutePath
    """Mount path in the containers."""
    sub_path: RelativePath | None = None
    """Folder or file of the volume to mount (subPath). Kubernetes creates a missing folder. Default: the whole
    volume."""
    read_only: StrictBool = False
    """Whether the app's containers mount the folder or file read-only."""


class AppVolumeSettings(Model):
    """A volume of the app. Only one pod can mount a volume, unless the volume has `shared`, `perPod` or `memory`, or is
    a read-only NFS share or a read-only hostPath volume."""

    path: AbsolutePath
    """Mount path in the containers."""
    sub_path: RelativePath | None = None
    """Folder or file of the volume to mount at `path` (subPath). Kubernetes creates a missing folder. Default: the
    whole volume."""
    mounts: tuple[AppMountSettings, ...] = ()
    """Additional mounts of the same volume at other paths. Default: none."""
    size: Size | None = None
    """Size of the volume, required for a volume from a StorageClass and for a volume in memory. homelab does not resize
    an existing volume when you change `size`."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volume. Default: the platform's default StorageClass."""
    access_mode: Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"] | None = None
    """Access mode of the volume's PersistentVolumeClaim. Default: ReadWriteMany for a volume with `shared`, and
    ReadWriteOnce for all other volumes."""
    shared: StrictBool = False
    """Whether all pods of the app mount the same volume. A shared volume needs a StorageClass that supports
    ReadWriteMany, from the layer `longhorn`, `nfs` or `rookCeph`."""
    per_pod: StrictBool = False
    """Whether each replica has a separate volume, from a volumeClaimTemplate of a StatefulSet."""
    read_only: StrictBool = False
    """Whether the app's containers mount the volume read-only. Any number of pods may mount a read-only NFS share or a
    read-only hostPath volume."""
    nfs: AppNfsSettings | None = None
    """NFS share, instead of a volume from a StorageClass. NFS shares of apps need the setting `cluster.apps.nfs` in the
    platform's stack file."""
    claim: ObjectName | None = None
    """Name of an existing PersistentVolumeClaim in the app's namespace, which the pods mount instead of a new
    volume."""
    host_path: AppHostPathSettings | None = None
    """Folder on one node (hostPath), instead of a volume from a StorageClass."""
    memory: StrictBool = False
    """Whether the volume is a memory file system (tmpfs). A volume in memory is empty when a pod starts, and its
    content counts toward the pod's memory limit."""

    @property
    def source_keys(self) -> tuple[str, ...]:
        """Setting keys that define a volume without a StorageClass, such as `nfs`. A volume with more than one of these
        keys is an error."""
        return tuple(camel_case(name) for name in SOURCE_FIELDS if getattr(self, name))

    @property
    def is_provisioned(self) -> bool:
        """Whether a StorageClass provisions the app's volume."""
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
