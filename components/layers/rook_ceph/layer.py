"""Rook: Ceph on disks of several nodes, with block volumes, shared file systems and buckets."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.cluster.host_requirements import Host, Service
from components.kubernetes.manifest import Manifest, Tree
from components.layers.rook_ceph import pools
from components.layers.shared import disks as devices
from components.layers.shared.disks import Device
from components.layers.shared.persistent_volumes import of_class
from components.platform.layer import Finding, Layer, uncapped
from components.settings.fields import HostLabel, Switch
from components.settings.model import Model

_BY_ID = "/dev/disk/by-id/"


class CephDevicesSettings(Model):
    """The disks of one node for Ceph."""

    devices: tuple[Device, ...]
    """Disks by persistent device names. homelab rejects disks that contain data, unless `wipe` lists them."""


class RookCephSettings(Model):
    """Ceph: the StorageClasses `ceph-block`, `ceph-filesystem` and, for buckets, `ceph-bucket`."""

    devices: dict[HostLabel, CephDevicesSettings] = Field(default_factory=dict)
    """Disks by node. Ceph stores three replicas of all data on three or more nodes, else one replica per node."""
    wipe: dict[HostLabel, tuple[Device, ...]] = Field(default_factory=dict)
    """Disks to wipe, by node. All their data are lost. Only names below /dev/disk/by-id are allowed. Clear this setting
    afterwards."""
    object: Switch = False
    """Whether Ceph provides an object store for buckets."""


class RookCeph(Layer[RookCephSettings]):
    """Ceph, run by Rook, on empty disks that the settings list."""

    key = "rookCeph"
    settings_type = RookCephSettings
    namespace = pools.NAMESPACE
    security = "privileged"
    host = Host(modules=("rbd", "ceph"))
    after = ("monitoring", "snapshotController", "zfs")
    keeps = "volumes"
    kept = (
        of_class(pools.BLOCK),
        of_class(pools.FILES),
        "objectbuckets.objectbucket.io",
        "cephobjectstoreusers.ceph.rook.io -A",
    )
    timeout = 1200

    def values(self) -> Mapping[str, Tree]:
        """Return the Helm values of Rook's operator, the CSI drivers and the Ceph cluster."""
        operator: dict[str, Tree] = {
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
            "monitoring": {"enabled": self.monitored},
            "ceph-csi-operator": {"controllerManager": {"manager": {"resources": uncapped("10m", "128Mi")}}},
        }
        return {"rook-ceph": operator, "ceph-csi-drivers": self._drivers(), "rook-ceph-cluster": self._cluster()}

    def _drivers(self) -> dict[str, Tree]:
        policy = "volumeSnapshot" if self._snapshots else "none"
        driver: dict[str, Tree] = {
            "imageSet": {"name": "rook-csi-operator-image-set-configmap"},
            "snapshotPolicy": policy,
            "nodePlugin": {"priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}]},
            "controllerPlugin": {
                "priorityClassName": "system-cluster-critical",
                "replicas": self.lab.replicas(2),
            },
        }
        named: dict[str, Tree] = {
            kind: driver | {"enabled": True, "name": f"{pools.NAMESPACE}.{kind}.csi.ceph.com"} for kind in pools.DRIVERS
        }
        return {
            "cephConnections": [],  # Rook creates connections and profiles
            "clientProfiles": [],
            "operatorConfig": {"namespace": pools.NAMESPACE, "driverSpecDefaults": driver},
            "drivers": named | {"nfs": {"enabled": False}, "nvmeof": {"enabled": False}},
        }

    def _cluster(self) -> dict[str, Tree]:
        replicas = self.copies
        stores = [pools.store(replicas, self.lab.replicas(2))] if self.settings.object else []
        return {
            "toolbox": {"enabled": True},
            "monitoring": {"enabled": self.monitored, "createPrometheusRules": self.monitored},
            "configOverride": pools.configuration(replicas),
            "cephClusterSpec": self._spec(),
            "cephBlockPools": [pools.blocks(replicas)],
            "cephFileSystems": [pools.files(replicas, standby=len(self.lab.untainted) > 1)],
            "cephObjectStores": stores,
        }

    def _spec(self) -> dict[str, Tree]:
        by_node = self.settings.devices.items()
        nodes = [{"name": node, "devices": [{"name": disk} for disk in disks.devices]} for node, disks in by_node]
        count = len(self.lab.untainted)
        tolerant = {"tolerations": [{"operator": "Exists"}]}
        return {
            "mon": {"count": 3 if count >= 3 else 1},
            "mgr": {"count": 2 if count > 1 else 1},
            # the chart's default is every disk of every node
            "storage": {"useAllNodes": False, "useAllDevices": False, "nodes": nodes},
            "placement": {"osd": tolerant, "prepareosd": tolerant},
            "resources": {  # in addition to the chart's limits; OSDs size their caches by the memory request
                "mon": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "mgr": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "osd": {"requests": {"cpu": "200m", "memory": "2Gi"}},
            },
        }

    def services(self) -> Sequence[Service]:
        """Return services that prepare the disks, which nothing undoes, and that wait until Ceph uses all disks."""
        by_node = self.settings.devices
        count = str(sum(len(disks.devices) for disks in by_node.values()))
        variables = {"NAMESPACE": self.namespace, "DISKS": count}
        run, undo = ("rook-ceph/wait-until-healthy.sh",), ("rook-ceph/delete-cluster.sh",)
        cluster = Service("cluster", "", run, undo, variables=variables, last=True)
        return [*(self._preparation(node, disks.devices) for node, disks in by_node.items()), cluster]

    def _preparation(self, node: str, disks: Sequence[str]) -> Service:
        variables = {"DEVICES": " ".join(disks), "WIPE": " ".join(self.settings.wipe.get(node, ()))}
        run, probe = ("rook-ceph/prepare-disks.sh",), "rook-ceph/check-disks.sh"
        return Service("disks", node, run, probe=probe, variables=variables)

    def extend(self) -> Sequence[Manifest]:
        """Return the VolumeSnapshotClasses, if the lab has a snapshot controller."""
        return [pools.snapshots(kind) for kind in pools.DRIVERS] if self._snapshots else ()

    @property
    def _snapshots(self) -> bool:
        return self.lab.has("snapshotController") or self.lab.has("zfs")

    @property
    def copies(self) -> int:
        """Replicas of all data, each on its own node."""
        return min(3, len(self.settings.devices))

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClasses."""
        return {"storage_classes": [pools.BLOCK, pools.FILES], "shared_storage_classes": [pools.FILES]}

    def problems(self) -> Iterator[Finding]:
        """Yield errors in the nodes, their disks and the disks to wipe."""
        by_node = {name: disks.devices for name, disks in self.settings.devices.items()}
        yield from devices.problems(self.lab.cluster, by_node, "devices")
        if not self.lab.untainted:
            yield (), "needs an untainted node", "remove the taints of a node, or use the effect PreferNoSchedule"
        for name, disks in self.settings.wipe.items():
            for index, disk in enumerate(disks):
                if disk not in by_node.get(name, ()):
                    yield ("wipe", name, index), "is not a disk of this node", f"add it to devices.{name} too"
                elif not disk.startswith(_BY_ID):
                    reason = "names a slot, which can contain another disk later"
                    yield ("wipe", name, index), reason, f"use the disk's name below {_BY_ID} here and under devices"
