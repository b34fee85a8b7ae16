"""The snapshot controller: volume snapshots through the Kubernetes API."""

from collections.abc import Mapping, Sequence
from typing import Literal

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import Layer, resources, topology_spread
from components.settings.model import Model


class SnapshotControllerSettings(Model):
    """The snapshot controller, which K3s does not include."""

    deletion: Literal["Delete", "Retain"] = "Delete"
    """Whether a snapshot is deleted or retained when its VolumeSnapshot is deleted."""


class SnapshotController(Layer[SnapshotControllerSettings]):
    """The snapshot controller with its CRDs, and a VolumeSnapshotClass for Longhorn's volumes."""

    key = "snapshotController"
    settings_type = SnapshotControllerSettings
    namespace = "snapshot-controller"
    installs_after = ("longhorn",)
    user_data = "snapshots of volumes"
    user_data_queries = ("volumesnapshots.snapshot.storage.k8s.io -A",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the snapshot controller, which has up to two replicas with leader election."""
        replicas = self.lab.replicas(2)
        controller: dict[str, Json] = {
            "replicaCount": replicas,
            "pdb": {"maxUnavailable": 1} if replicas > 1 else {},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "64Mi"),
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/name": "snapshot-controller"}),
            "serviceMonitor": {"create": self.has_monitoring},
        }
        return {"snapshot-controller": {"controller": controller}}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the VolumeSnapshotClass.

        The chart cannot create the class, because the chart also installs the CRD.
        """
        if not self.lab.is_enabled("longhorn"):
            return ()
        metadata = {
            "name": "longhorn",
            "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"},
            "labels": {"velero.io/csi-volumesnapshot-class": "true"},
        }
        snapshot_class: Manifest = {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotClass",
            "metadata": metadata,
            "driver": "driver.longhorn.io",
            "deletionPolicy": self.settings.deletion,
            # type `snap` stores snapshots on the volume's own disks; type `bak` would create Longhorn backups
            "parameters": {"type": "snap"},
        }
        return [snapshot_class]
