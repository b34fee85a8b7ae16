"""Rook: Ceph on disks of several machines, with volumes, shared folders and buckets."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components import ceph, devices
from components.devices import Device
from components.fields import HostLabel, Switch
from components.host import Host, Service
from components.layer import Finding, Layer, uncapped
from components.manifest import Manifest, Tree
from components.model import Model
from components.persistent import of_class

_WIPED = "/dev/disk/by-id/"


class CephDevicesSettings(Model):
    """What a machine gives to Ceph."""

    devices: tuple[Device, ...]
    """Its disks, by names that last. What holds anything is refused, unless `wipe` names it."""


class RookCephSettings(Model):
    """Ceph: the classes `ceph-block`, `ceph-filesystem` and, for buckets, `ceph-bucket`."""

    devices: dict[HostLabel, CephDevicesSettings] = Field(default_factory=dict)
    """Disks by node. From three machines on everything is kept three times, below once for each machine."""
    wipe: dict[HostLabel, tuple[Device, ...]] = Field(default_factory=dict)
    """Those of the disks, by node, whose content is to be lost: below /dev/disk/by-id only. Empty it afterwards."""
    object: Switch = False
    """Whether there is an object store, for buckets."""


class RookCeph(Layer[RookCephSettings]):
    """Ceph by Rook, on named disks that hold nothing."""

    key = "rookCeph"
    settings_type = RookCephSettings
    namespace = ceph.NAMESPACE
    security = "privileged"
    host = Host(modules=("rbd", "ceph"))
    after = ("monitoring", "snapshotController", "zfs")
    keeps = "volumes"
    kept = (
        of_class(ceph.BLOCK),
        of_class(ceph.FILES),
        "objectbuckets.objectbucket.io",
        "cephobjectstoreusers.ceph.rook.io -A",
    )
    timeout = 1200

    def values(self) -> Mapping[str, Tree]:
        """Return Rook's operator, the drivers of volumes, and the cluster."""
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
            kind: driver | {"enabled": True, "name": f"{ceph.NAMESPACE}.{kind}.csi.ceph.com"} for kind in ceph.DRIVERS
        }
        return {
            "cephConnections": [],  # both are made by Rook
            "clientProfiles": [],
            "operatorConfig": {"namespace": ceph.NAMESPACE, "driverSpecDefaults": driver},
            "drivers": named | {"nfs": {"enabled": False}, "nvmeof": {"enabled": False}},
        }

    def _cluster(self) -> dict[str, Tree]:
        copies = self.copies
        stores = [ceph.store(copies, self.lab.replicas(2))] if self.settings.object else []
        return {
            "toolbox": {"enabled": True},
            "monitoring": {"enabled": self.monitored, "createPrometheusRules": self.monitored},
            "configOverride": ceph.configuration(copies),
            "cephClusterSpec": self._spec(),
            "cephBlockPools": [ceph.blocks(copies)],
            "cephFileSystems": [ceph.files(copies, standby=len(self.lab.untainted) > 1)],
            "cephObjectStores": stores,
        }

    def _spec(self) -> dict[str, Tree]:
        places = self.settings.devices.items()
        nodes = [{"name": node, "devices": [{"name": each} for each in given.devices]} for node, given in places]
        count = len(self.lab.untainted)
        tolerant = {"tolerations": [{"operator": "Exists"}]}
        return {
            "mon": {"count": 3 if count >= 3 else 1},
            "mgr": {"count": 2 if count > 1 else 1},
            # every disk of every machine is the chart's own default
            "storage": {"useAllNodes": False, "useAllDevices": False, "nodes": nodes},
            "placement": {"osd": tolerant, "prepareosd": tolerant},
            "resources": {  # beside the chart's own limits; Ceph's caches on a disk follow what is promised there
                "mon": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "mgr": {"requests": {"cpu": "100m", "memory": "512Mi"}},
                "osd": {"requests": {"cpu": "200m", "memory": "2Gi"}},
            },
        }

    def services(self) -> Sequence[Service]:
        """Return the disks, which nothing takes back or wipes later, and the wait until Ceph works on them."""
        given = self.settings.devices
        disks = str(sum(len(each.devices) for each in given.values()))
        variables = {"NAMESPACE": self.namespace, "DISKS": disks}
        cluster = Service("cluster", "", ("gather.sh",), ("dissolve.sh",), variables=variables, last=True)
        return [*(self._given(node, each.devices) for node, each in given.items()), cluster]

    def _given(self, node: str, disks: Sequence[str]) -> Service:
        variables = {"DEVICES": " ".join(disks), "WIPE": " ".join(self.settings.wipe.get(node, ()))}
        return Service("disks", node, ("give.sh",), probe="given.sh", variables=variables)

    def extend(self) -> Sequence[Manifest]:
        """Return the classes of snapshots, where something takes them."""
        return [ceph.snapshots(kind) for kind in ceph.DRIVERS] if self._snapshots else ()

    @property
    def _snapshots(self) -> bool:
        return self.lab.has("snapshotController") or self.lab.has("zfs")

    @property
    def copies(self) -> int:
        """How often everything is kept, each time on a machine of its own."""
        return min(3, len(self.settings.devices))

    def outputs(self) -> Mapping[str, object]:
        """Return the classes of volumes."""
        return {"storage_classes": [ceph.BLOCK, ceph.FILES], "shared_storage_classes": [ceph.FILES]}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the machines and their disks, and with what is to be wiped."""
        given = {name: each.devices for name, each in self.settings.devices.items()}
        yield from devices.problems(self.lab.cluster, given, "devices")
        if not self.lab.untainted:
            yield (), "finds no machine that takes any pod", "leave some without taints, or use PreferNoSchedule"
        for name, wiped in self.settings.wipe.items():
            for index, each in enumerate(wiped):
                if each not in given.get(name, ()):
                    yield ("wipe", name, index), "is no disk of that machine", f"name it under devices.{name} too"
                elif not each.startswith(_WIPED):
                    reason = "names a place, in which another disk may be tomorrow"
                    yield ("wipe", name, index), reason, f"use its name below {_WIPED} here and under devices"
