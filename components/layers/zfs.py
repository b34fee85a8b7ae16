"""ZFS: volumes on pools of disks that machines have, each on one machine only."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from components import devices
from components.devices import Device
from components.fields import HostLabel
from components.host import Service
from components.lab import NodeSettings
from components.layer import Finding, Layer
from components.manifest import Manifest, Tree
from components.model import Model
from components.persistent import of_class

CLASS = "zfs"
_DRIVER = "zfs.csi.openebs.io"
_LABEL = {"homelab/zfs": "true"}


class ZfsPoolSettings(Model):
    """The pool of a machine, made of disks that hold nothing, or the one of that name that they hold."""

    devices: tuple[Device, ...]
    """Its disks, by names that last. What holds anything is refused."""
    raid: Literal["none", "mirror"] = "none"
    """`mirror` keeps everything on each of the disks; `none` spreads over them, and one that fails takes all along."""


class ZfsSettings(Model):
    """ZFS: the class `zfs`, for volumes that stay on one machine, with checksums, compression and snapshots."""

    pool: HostLabel = "lab"
    """Name of the pool, the same on all machines."""
    pools: dict[HostLabel, ZfsPoolSettings] = Field(default_factory=dict)
    """Pools by node."""


class Zfs(Layer[ZfsSettings]):
    """ZFS with a pool on named disks of machines, and snapshots of its volumes."""

    key = "zfs"
    settings_type = ZfsSettings
    namespace = "openebs-zfs"
    security = "privileged"  # the driver runs the machine's own zfs
    keeps = "volumes"
    kept = ("zfsvolumes.zfs.openebs.io -A", of_class(CLASS))

    def values(self) -> Mapping[str, Tree]:
        """Return the driver; its nodes' part only where there is a pool, as it needs the machine's zfs."""
        values: dict[str, Tree] = {
            "zfsController": {"replicas": self.lab.replicas(2)},
            "zfsNode": {
                "nodeSelector": _LABEL,
                "tolerations": [{"operator": "Exists"}],
                "encrKeysDir": "/var/lib/openebs/keys",
            },
            "analytics": {"enabled": False},
            # its controller holds the snapshot controller, which does not start without them
            "crds": {"csi": {"volumeSnapshots": {"enabled": True}}},
        }
        return {"zfs-localpv": values}

    def services(self) -> Sequence[Service]:
        """Return the pools. Nothing undoes them: they stay as they are when the layer goes."""
        return [self._pool(node, pool) for node, pool in self.settings.pools.items()]

    def _pool(self, node: str, pool: ZfsPoolSettings) -> Service:
        variables = {"POOL": self.settings.pool, "DEVICES": " ".join(pool.devices), "RAID": pool.raid}
        return Service("pool", node, ("pool.sh",), probe="pooled.sh", variables=variables)

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label of machines with a pool."""
        return _LABEL if node.name in self.settings.pools else {}

    def extend(self) -> Sequence[Manifest]:
        """Return the class, and that of its snapshots."""
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
        """Return the class."""
        return {"storage_classes": [CLASS]}

    def problems(self) -> Iterator[Finding]:
        """Yield another snapshot controller, and what is wrong with the machines and their disks."""
        if self.lab.has("snapshotController"):
            yield (), "brings a snapshot controller, and snapshotController is another", "keep one of them"
        pools = self.settings.pools
        yield from devices.problems(self.lab.cluster, {name: pool.devices for name, pool in pools.items()}, "pools")
        for name, pool in pools.items():
            if pool.raid == "mirror" and len(pool.devices) < 2:
                yield ("pools", name, "raid"), "is mirror with a single device", "name another device, or use none"
