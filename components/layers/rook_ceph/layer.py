"""Rook, which runs Ceph on disks of several nodes: block volumes, shared file systems and buckets."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.cluster.host_requirements import HostRequirements, HostService
from components.kubernetes.manifest import Json, Manifest
from components.layers.rook_ceph import pools
from components.layers.shared import disks as devices
from components.layers.shared.disks import Device
from components.layers.shared.persistent_volumes import volume_query
from components.layers.zfs import ZfsSettings
from components.platform.layer import Layer, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, StrictBool
from components.settings.model import Model

_BY_ID = "/dev/disk/by-id/"


class CephDevicesSettings(Model):
    """Settings of the disks that Ceph uses on one node."""

    devices: tuple[Device, ...]
    """Disks by persistent device name. homelab refuses a disk that contains data, unless `wipe` lists the disk."""


class RookCephSettings(Model):
    """Settings of Ceph, whose StorageClasses are `ceph-block`, `ceph-filesystem` and, for buckets, `ceph-bucket`."""

    devices: dict[DnsLabel, CephDevicesSettings] = Field(default_factory=dict)
    """Disks by node. On three or more nodes, Ceph stores three replicas of all data. On one or two nodes, Ceph stores
    one replica on each node."""
    wipe: dict[DnsLabel, tuple[Device, ...]] = Field(default_factory=dict)
    """Disks to wipe, by node. homelab deletes all data on a disk that `wipe` lists. List only device names below
    /dev/disk/by-id. Remove the disks from `wipe` after `pulumi up` has wiped them."""
    object: StrictBool = False
    """Whether Ceph provides an object store with buckets."""


class RookCeph(Layer[RookCephSettings]):
    """Layer for Ceph, which Rook runs on the disks that the stack file lists."""

    key = "rookCeph"
    settings_type = RookCephSettings
    namespace = pools.NAMESPACE
    pod_security = "privileged"
    host_requirements = HostRequirements(modules=("rbd", "ceph"))
    installs_after = ("monitoring", "snapshotController", "zfs")
    user_data = "volumes"
    user_data_queries = (
        volume_query(pools.BLOCK_CLASS),
        volume_query(pools.FILES_CLASS),
        "objectbuckets.objectbucket.io",
        "cephobjectstoreusers.ceph.rook.io -A",
    )
    timeout_seconds = 1200

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Rook's operator, of the Ceph CSI drivers and of the Ceph cluster."""
        operator: dict[str, Json] = {
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}},
            "monitoring": {"enabled": self.has_monitoring},
            "ceph-csi-operator": {"controllerManager": {"manager": {"resources": uncapped_resources("10m", "128Mi")}}},
        }
        return {"rook-ceph": operator, "ceph-csi-drivers": self._drivers(), "rook-ceph-cluster": self._cluster()}

    def _drivers(self) -> dict[str, Json]:
        policy = "volumeSnapshot" if self._snapshots else "none"
        driver: dict[str, Json] = {
            "imageSet": {"name": "rook-csi-operator-image-set-configmap"},
            "snapshotPolicy": policy,
            "nodePlugin": {"priorityClassName": "system-node-critical", "tolerations": [{"operator": "Exists"}]},
            "controllerPlugin": {
                "priorityClassName": "system-cluster-critical",
                "replicas": self.lab.replicas(2),
            },
        }
        named: dict[str, Json] = {
            kind: driver | {"enabled": True, "name": f"{pools.NAMESPACE}.{kind}.csi.ceph.com"}
            for kind in pools.DRIVER_CLASSES
        }
        return {
            "cephConnections": [],  # Rook itself creates the CephConnections and ClientProfiles
            "clientProfiles": [],
            "operatorConfig": {"namespace": pools.NAMESPACE, "driverSpecDefaults": driver},
            "drivers": named | {"nfs": {"enabled": False}, "nvmeof": {"enabled": False}},
        }

    def _cluster(self) -> dict[str, Json]:
        replicas = self.replicas
        stores = [pools.object_store(replicas, self.lab.replicas(2))] if self.settings.object else []
        return {
            "toolbox": {"enabled": True},
            "monitoring": {"enabled": self.has_monitoring, "createPrometheusRules": self.has_monitoring},
            "configOverride": pools.ceph_conf(replicas),
            "cephClusterSpec": self._spec(),
            "cephBlockPools": [pools.block_pool(replicas)],
            "cephFileSystems": [pools.file_system(replicas, standby=len(self.lab.schedulable_nodes) > 1)],
            "cephObjectStores": stores,
        }

    def _spec(self) -> dict[str, Json]:
        by_node = self.settings.devices.items()
        nodes = [{"name": node, "devices": [{"name": disk} for disk in disks.devices]} for node, disks in by_node]
        count = len(self.lab.schedulable_nodes)
        tolerant = {"tolerations": [{"operator": "Exists"}]}
        return {
            "mon": {"count": 3 if count >= 3 else 1},
            "mgr": {"count": 2 if count > 1 else 1},
            # by default, Rook would use every empty disk of every node
            "storage": {"useAllNodes": False, "useAllDevices": False, "nodes": nodes},
            "placement": {"osd": tolerant, "prepareosd": tolerant},
            "resources": {  # added to the chart's limits; OSDs size their caches by the memory request
                "mon": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "mgr": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "osd": {"requests": {"cpu": "200m", "memory": "2Gi"}},
            },
        }

    def host_services(self) -> Sequence[HostService]:
        """Return the host services that prepare the disks, and then wait until Ceph uses all disks.

        homelab cannot undo the preparation of a disk.
        """
        by_node = self.settings.devices
        count = str(sum(len(disks.devices) for disks in by_node.values()))
        variables = {"NAMESPACE": self.namespace, "DISKS": count}
        run, undo = ("rook-ceph/wait-until-healthy.sh",), ("rook-ceph/delete-cluster.sh",)
        cluster = HostService("cluster", "", run, undo, variables=variables, runs_last=True)
        return [*(self._preparation(node, disks.devices) for node, disks in by_node.items()), cluster]

    def _preparation(self, node: str, disks: Sequence[str]) -> HostService:
        variables = {"DEVICES": " ".join(disks), "WIPE": " ".join(self.settings.wipe.get(node, ()))}
        run, check = ("rook-ceph/prepare-disks.sh",), "rook-ceph/check-disks.sh"
        return HostService("disks", node, run, drift_check=check, variables=variables)

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the VolumeSnapshotClasses of Ceph, if the cluster has a snapshot controller."""
        return [pools.snapshot_class(kind) for kind in pools.DRIVER_CLASSES] if self._snapshots else ()

    @property
    def _snapshots(self) -> bool:
        return self.lab.is_enabled("snapshotController") or self.lab.is_enabled("zfs")

    @property
    def replicas(self) -> int:
        """Number of replicas of all data in Ceph, each on another node."""
        return min(3, len(self.settings.devices))

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClasses."""
        return {
            "storage_classes": [pools.BLOCK_CLASS, pools.FILES_CLASS],
            "shared_storage_classes": [pools.FILES_CLASS],
        }

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the nodes and disks under `devices` and `wipe`."""
        by_node = {name: disks.devices for name, disks in self.settings.devices.items()}
        yield from devices.findings(self.lab.cluster, by_node, "devices")
        if not self.lab.schedulable_nodes:
            yield (), "needs an untainted node", "remove the taints of a node, or use the effect PreferNoSchedule"
        yield from self._disks_of_zfs()
        for name, disks in self.settings.wipe.items():
            for index, disk in enumerate(disks):
                if disk not in by_node.get(name, ()):
                    yield ("wipe", name, index), "is not a disk of this node", f"add the disk to devices.{name}"
                elif not disk.startswith(_BY_ID):
                    reason = "is the name of a slot, which can contain another disk later"
                    yield ("wipe", name, index), reason, f"use the disk's name below {_BY_ID} in wipe and devices"

    def _disks_of_zfs(self) -> Iterator[Finding]:
        """Yield an error for each node on which Ceph and a ZFS pool would use the same disk."""
        zfs = self.lab.settings_of(ZfsSettings)
        for name, disks in self.settings.devices.items():
            pool = zfs.pools.get(name) if zfs else None
            if pool and set(pool.devices) & set(disks.devices):
                yield ("devices", name), f"contains a disk of zfs.pools.{name}", "give each disk to only one layer"
