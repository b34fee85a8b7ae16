"""ZFS: unreplicated volumes on ZFS pools of nodes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components.cluster.host_requirements import Service
from components.cluster.settings import NodeSettings
from components.kubernetes.manifest import Manifest, Tree
from components.layers.shared import disks as devices
from components.layers.shared.disks import Device
from components.layers.shared.persistent_volumes import of_class
from components.platform.layer import Finding, Layer
from components.settings.fields import HostLabel
from components.settings.model import Model

CLASS = "zfs"
_DRIVER = "zfs.csi.openebs.io"
_LABEL = {"homelab/zfs": "true"}


class ZfsPoolSettings(Model):
    """The ZFS pool of a node: homelab creates it on empty disks, or imports it if the disks already contain it."""

    devices: tuple[Device, ...]
    """Disks by persistent device names. homelab rejects disks that contain other data."""
    raid: Literal["none", "mirror"] = "none"
    """`mirror` stores all data on each disk; `none` stripes data over the disks, and one failed disk loses all data."""


class ZfsSettings(Model):
    """ZFS: the StorageClass `zfs` for volumes on one node each, with checksums, compression and snapshots."""

    pool: HostLabel = "lab"
    """Name of the ZFS pool, the same on all nodes."""
    pools: dict[HostLabel, ZfsPoolSettings] = Field(default_factory=dict)
    """ZFS pools by node."""


class Zfs(Layer[ZfsSettings]):
    """ZFS with pools on the listed disks of nodes, and with volume snapshots."""

    key = "zfs"
    settings_type = ZfsSettings
    namespace = "openebs-zfs"
    security = "privileged"  # the driver runs the host's zfs commands
    keeps = "volumes"
    kept = ("zfsvolumes.zfs.openebs.io -A", of_class(CLASS))

    def values(self) -> Mapping[str, Tree]:
        """Return the Helm values of the ZFS driver, whose node plugin runs only on nodes with a pool."""
        values: dict[str, Tree] = {
            "zfsController": {"replicas": self.lab.replicas(2)},
            "zfsNode": {
                "nodeSelector": _LABEL,
                "tolerations": [{"operator": "Exists"}],
                "encrKeysDir": "/var/lib/openebs/keys",
            },
            "analytics": {"enabled": False},
            # the driver's controller includes the snapshot controller, which needs these CRDs to start
            "crds": {"csi": {"volumeSnapshots": {"enabled": True}}},
        }
        return {"zfs-localpv": values}

    def services(self) -> Sequence[Service]:
        """Return the services that create the pools. Removing the layer does not delete the pools."""
        return [self._pool(node, pool) for node, pool in self.settings.pools.items()]

    def _pool(self, node: str, pool: ZfsPoolSettings) -> Service:
        variables = {"POOL": self.settings.pool, "DEVICES": " ".join(pool.devices), "RAID": pool.raid}
        return Service("pool", node, ("zfs/create-pool.sh",), probe="zfs/check-pool.sh", variables=variables)

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label of nodes with a pool."""
        return _LABEL if node.name in self.settings.pools else {}

    def extend(self) -> Sequence[Manifest]:
        """Return the StorageClass and the VolumeSnapshotClass."""
        return [
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": CLASS},
                "provisioner": _DRIVER,
                "parameters": {"poolname": self.settings.pool, "fstype": "zfs", "thinprovision": "yes"},
                "allowVolumeExpansion": True,
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            {
                "apiVersion": "snapshot.storage.k8s.io/v1",
                "kind": "VolumeSnapshotClass",
                "metadata": {"name": CLASS},
                "driver": _DRIVER,
                "deletionPolicy": "Delete",
            },
        ]

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClass."""
        return {"storage_classes": [CLASS]}

    def problems(self) -> Iterator[Finding]:
        """Yield a conflict with another snapshot controller, and errors in the nodes and their disks."""
        if self.lab.has("snapshotController"):
            yield (), "includes a snapshot controller, as does snapshotController", "keep one of them"
        pools = self.settings.pools
        yield from devices.problems(self.lab.cluster, {name: pool.devices for name, pool in pools.items()}, "pools")
        for name, pool in pools.items():
            if pool.raid == "mirror" and len(pool.devices) < 2:
                yield ("pools", name, "raid"), "is mirror, which needs two devices or more", "add a device, or use none"
