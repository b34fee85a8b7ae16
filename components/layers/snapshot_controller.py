"""Kubernetes' snapshot controller, which takes volume snapshots."""

from collections.abc import Mapping, Sequence
from typing import Literal

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import Layer, resources, topology_spread
from components.settings.model import Model


class SnapshotControllerSettings(Model):
    """Settings of Kubernetes' snapshot controller, which K3s does not contain."""

    deletion: Literal["Delete", "Retain"] = "Delete"
    """Whether Kubernetes deletes or retains a snapshot when you delete its VolumeSnapshot."""


class SnapshotController(Layer[SnapshotControllerSettings]):
    """Layer for the snapshot controller and its CRDs, with a VolumeSnapshotClass for Longhorn."""

    key = "snapshotController"
    settings_type = SnapshotControllerSettings
    namespace = "snapshot-controller"
    installs_after = ("longhorn",)
    user_data = "snapshots of volumes"
    user_data_queries = ("volumesnapshots.snapshot.storage.k8s.io -A",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the snapshot controller: up to two replicas, with leader election."""
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
        """Return the VolumeSnapshotClass for volumes of Longhorn.

        The chart cannot create a VolumeSnapshotClass, because the chart itself installs the CRD of VolumeSnapshotClass.
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
            # with `snap`, Longhorn stores snapshots on the volume's own disks; `bak` would create Longhorn backups
            "parameters": {"type": "snap"},
        }
        return [snapshot_class]
