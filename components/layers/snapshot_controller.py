"""The snapshot controller: snapshots of volumes, asked for in Kubernetes' own way."""

from collections.abc import Mapping, Sequence
from typing import Literal

from components.layer import Layer, resources, spread
from components.manifest import Manifest, Tree
from components.model import Model


class SnapshotControllerSettings(Model):
    """The snapshot controller, which K3s comes without."""

    deletion: Literal["Delete", "Retain"] = "Delete"
    """What becomes of a snapshot when the VolumeSnapshot that asked for it is deleted."""


class SnapshotController(Layer[SnapshotControllerSettings]):
    """The snapshot controller with its CRDs, and a class of snapshots for Longhorn's volumes."""

    key = "snapshotController"
    settings_type = SnapshotControllerSettings
    namespace = "snapshot-controller"
    after = ("longhorn",)
    keeps = "snapshots of volumes"
    kept = ("volumesnapshots.snapshot.storage.k8s.io -A",)

    def values(self) -> Mapping[str, Tree]:
        """Return the controller, twice where there are two machines; one of them leads."""
        replicas = self.lab.replicas(2)
        controller: dict[str, Tree] = {
            "replicaCount": replicas,
            "pdb": {"maxUnavailable": 1} if replicas > 1 else {},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "64Mi"),
            "topologySpreadConstraints": spread({"app.kubernetes.io/name": "snapshot-controller"}),
            "serviceMonitor": {"create": self.monitored},
        }
        return {"snapshot-controller": {"controller": controller}}

    def extend(self) -> Sequence[Manifest]:
        """Return the class; the chart, which has one as well, could not bring it together with its CRD."""
        if not self.lab.has("longhorn"):
            return ()
        metadata = {
            "name": "longhorn",
            "annotations": {"snapshot.storage.kubernetes.io/is-default-class": "true"},
            "labels": {"velero.io/csi-volumesnapshot-class": "true"},
        }
        made: Manifest = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass"}
        made |= {"metadata": metadata, "driver": "driver.longhorn.io", "deletionPolicy": self.settings.deletion}
        # on the disks of the volume itself; `bak` would be one of Longhorn's own backups
        return [made | {"parameters": {"type": "snap"}}]
