"""ZFS volumes, which are stored on the ZFS pool of one node without replication."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.cluster.host_requirements import HostService
from components.cluster.settings import NodeSettings
from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import disks as devices
from components.layers.shared.disks import Device
from components.layers.shared.persistent_volumes import volume_query
from components.platform.layer import Layer
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.model import Model

STORAGE_CLASS = "zfs"
_DRIVER = "zfs.csi.openebs.io"
_LABEL = {"homelab/zfs": "true"}


class ZfsPoolSettings(Model):
    """Settings of the ZFS pool of one node.

    homelab creates the pool on empty disks, or imports an existing pool from the disks.
    """

    devices: tuple[Device, ...]
    """Disks by persistent device name. homelab refuses a disk that contains data other than the ZFS pool."""
    raid: Literal["none", "mirror"] = "none"
    """With `mirror`, every disk stores all data. With `none`, ZFS stripes data over all disks, so the failure of one
    disk destroys all data."""


class ZfsSettings(Model):
    """Settings of the StorageClass `zfs`, whose volumes have checksums, compression and snapshots, but no replicas."""

    pool: DnsLabel = "lab"
    """Name of the ZFS pool, which is the same on all nodes."""
    pools: dict[DnsLabel, ZfsPoolSettings] = Field(default_factory=dict)
    """ZFS pools by node."""


class Zfs(Layer[ZfsSettings]):
    """Layer for ZFS, with pools on the disks that the stack file lists, and with volume snapshots."""

    key = "zfs"
    settings_type = ZfsSettings
    namespace = "openebs-zfs"
    pod_security = "privileged"  # the driver runs the host's zfs commands
    user_data = "volumes"
    user_data_queries = ("zfsvolumes.zfs.openebs.io -A", volume_query(STORAGE_CLASS))

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the ZFS driver, whose node plugin runs only on nodes with a ZFS pool."""
        values: dict[str, Json] = {
            "zfsController": {"replicas": self.lab.replicas(2)},
            "zfsNode": {
                "nodeSelector": _LABEL,
                "tolerations": [{"operator": "Exists"}],
                "encrKeysDir": "/var/lib/openebs/keys",
            },
            "analytics": {"enabled": False},
            # the ZFS driver's controller contains the snapshot controller, which needs the snapshot CRDs to start
            "crds": {"csi": {"volumeSnapshots": {"enabled": True}}},
        }
        return {"zfs-localpv": values}

    def host_services(self) -> Sequence[HostService]:
        """Return the host services that create or import a ZFS pool on each node.

        homelab does not delete the ZFS pools when you disable the layer.
        """
        return [self._pool(node, pool) for node, pool in self.settings.pools.items()]

    def _pool(self, node: str, pool: ZfsPoolSettings) -> HostService:
        variables = {"POOL": self.settings.pool, "DEVICES": " ".join(pool.devices), "RAID": pool.raid}
        return HostService("pool", node, ("zfs/create-pool.sh",), drift_check="zfs/check-pool.sh", variables=variables)

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label that marks nodes with a ZFS pool."""
        return _LABEL if node.name in self.settings.pools else {}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the StorageClass and the VolumeSnapshotClass of ZFS volumes."""
        return [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": STORAGE_CLASS},
                "provisioner": _DRIVER,
                "parameters": {"poolname": self.settings.pool, "fstype": "zfs", "thinprovision": "yes"},
                "allowVolumeExpansion": True,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            {
                "apiVersion": "snapshot.storage.k8s.io/v1",
                "kind": "VolumeSnapshotClass",
                "metadata": {"name": STORAGE_CLASS},
                "driver": _DRIVER,
                "deletionPolicy": "Delete",
            },
        ]

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClass."""
        return {"storage_classes": [STORAGE_CLASS]}

    def findings(self) -> Iterator[Finding]:
        """Yield an error if the layer snapshotController is enabled, and errors in the nodes and disks of `pools`."""
        if self.lab.is_enabled("snapshotController"):
            yield (), "conflicts with snapshotController: zfs includes a snapshot controller", "keep one of them"
        pools = self.settings.pools
        yield from devices.findings(self.lab.cluster, {name: pool.devices for name, pool in pools.items()}, "pools")
        for name, pool in pools.items():
            if pool.raid == "mirror" and len(pool.devices) < 2:
                yield ("pools", name, "raid"), "is mirror, which needs two devices or more", "add a device, or use none"
