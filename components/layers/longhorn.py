"""Longhorn, which replicates volumes across nodes, and backs up volumes to S3."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from components.cluster.host_requirements import HostRequirements
from components.cluster.settings import NodeSettings
from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.platform.layer import Layer
from components.platform.object_store import MISSING_BUCKET_FIX, ObjectStoreSettings
from components.settings.errors import Finding
from components.settings.fields import LabelKey, LabelValue, PositiveInt, Schedule
from components.settings.host_paths import DataFolder
from components.settings.model import Model

STORAGE_CLASS, SINGLE_REPLICA_CLASS = "longhorn", "longhorn-single"
DEFAULT_REPLICAS = 3
_BACKUP = "backup"
_DISK_LABEL = {"node.longhorn.io/create-default-disk": "true"}


class VolumeBackupSettings(Model):
    """Settings of scheduled volume backups to S3."""

    s3: ObjectStoreSettings | None = None
    """Bucket for the backups. Default: the folder `longhorn` in the bucket of `platform.objectStore`."""
    schedule: Schedule = "0 3 * * *"
    """Cron schedule of volume backups in UTC: minute, hour, day of the month, month, day of the week."""
    retain: Annotated[int, Field(strict=True, ge=1, le=100)] = 7
    """Number of backups that Longhorn retains for each volume."""


class LonghornSettings(Model):
    """Settings of Longhorn.

    The StorageClass `longhorn` replicates volumes, but `longhorn-single` creates only one replica.
    """

    replicas: PositiveInt | None = None
    """Number of replicas of each volume, each on a different node. Default: 3; with fewer than 3 storage nodes, one
    replica for each storage node."""
    storage_nodes: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels that select the storage nodes. Longhorn stores volumes only on the disks of storage nodes. Default:
    Longhorn stores volumes on all nodes."""
    path: DataFolder = "/var/lib/longhorn"
    """Directory on the storage nodes in which Longhorn stores volumes. You can mount a separate disk at the
    directory."""
    backup: VolumeBackupSettings | None = None
    """Backups to S3. Default: none."""


class Longhorn(Layer[LonghornSettings]):
    """Layer for Longhorn, with StorageClasses for replicated volumes, and for databases that replicate themselves."""

    key = "longhorn"
    settings_type = LonghornSettings
    namespace = "longhorn-system"
    pod_security = "privileged"
    host_requirements = HostRequirements(packages=("open-iscsi", "nfs-common"), modules=("iscsi_tcp",))
    replaces_packaged = ("local-storage",)
    awaited_objects = (f"storageclass/{STORAGE_CLASS}",)
    user_data = "volumes"
    user_data_queries = ("volumes.longhorn.io -A",)
    timeout_seconds = 1200  # Longhorn's uninstall job alone may take 900 s

    def values(self) -> Mapping[str, Json]:
        """Return Longhorn's Helm values. By default, each storage node has at most one replica of a volume."""
        controllers = self.lab.replicas(2)
        sidecars = ("attacher", "provisioner", "resizer", "snapshotter")
        values: dict[str, Json] = {
            "persistence": {
                "defaultClass": True,
                "defaultClassReplicaCount": self.replicas,
                "defaultDataLocality": "best-effort",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            "defaultSettings": self._defaults(),
            "csi": {f"{name}ReplicaCount": controllers for name in sidecars},
            "longhornUI": {"replicas": 1},
            "longhornManager": {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
            "metrics": {"serviceMonitor": {"enabled": self.has_monitoring}},
        }
        return {"longhorn": values | self._backup_store()}

    def _defaults(self) -> Json:
        return {  # strings only: Longhorn stores strings, and some releases of its chart reject other types
            "createDefaultDiskLabeledNodes": "true" if self.settings.storage_nodes else "false",
            "defaultDataPath": self.settings.path,
            "defaultReplicaCount": str(self.replicas),
            "defaultDataLocality": "best-effort",
            "replicaAutoBalance": "best-effort",
            "storageOverProvisioningPercentage": "100",
            "storageMinimalAvailablePercentage": "15",
            "nodeDownPodDeletionPolicy": "delete-both-statefulset-and-deployment-pod",
            # a node with the only replica of a detached volume may be drained, because the replica survives the drain
            "nodeDrainPolicy": "allow-if-replica-is-stopped",
            "orphanResourceAutoDeletion": "replica-data",
            "concurrentAutomaticEngineUpgradePerNodeLimit": "1",
            "upgradeChecker": "false",
            "allowCollectingLonghornUsageMetrics": "false",
            # Helm can uninstall Longhorn only with the flag; homelab refuses to uninstall Longhorn while volumes exist
            "deletingConfirmationFlag": "true",
        }

    def _backup_store(self) -> dict[str, Json]:
        s3 = self._bucket
        if s3 is None:
            return {}
        folder = f"{s3.path}/" if s3.path else ""
        target = f"s3://{s3.bucket}@{s3.region}/{folder}"
        return {"defaultBackupStore": {"backupTarget": target, "backupTargetCredentialSecret": _BACKUP}}

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret with the credentials for the S3 bucket of volume backups."""
        s3 = self._bucket
        if s3 is None:
            return ()
        data: dict[str, Json] = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        if s3.endpoint:
            data["AWS_ENDPOINTS"] = s3.endpoint
        return [secret_manifest(self.metadata(_BACKUP), data)]

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the single-replica StorageClass, and the RecurringJob that backs up volumes."""
        return [_single_replica_class(), *self._backup_job()]

    def _backup_job(self) -> Iterator[Manifest]:
        backup = self.settings.backup
        if backup is None:
            return
        spec = {
            "name": _BACKUP,
            "task": "backup",
            "groups": ["default"],  # the group of all volumes without recurring jobs of their own
            "cron": backup.schedule,
            "retain": backup.retain,
            "concurrency": 2,
        }
        metadata = self.metadata(_BACKUP)
        yield {"apiVersion": "longhorn.io/v1beta2", "kind": "RecurringJob", "metadata": metadata, "spec": spec}

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label that lets Longhorn store replicas on the node's disk, if `storageNodes` selects the node."""
        return _DISK_LABEL if self.settings.storage_nodes and node in self._storage_nodes else {}

    @property
    def _bucket(self) -> ObjectStoreSettings | None:
        return self.lab.object_store(self.settings.backup.s3, self.key) if self.settings.backup else None

    @property
    def replicas(self) -> int:
        """Number of replicas of each Longhorn volume."""
        return self.settings.replicas or max(1, min(DEFAULT_REPLICAS, len(self._storage_nodes)))

    @property
    def _storage_nodes(self) -> list[NodeSettings]:
        labels = self.settings.storage_nodes.items()
        return [node for node in self.lab.schedulable_nodes if labels <= node.labels.items()]

    def outputs(self) -> Mapping[str, object]:
        """Return the StorageClass of apps' volumes and the StorageClass of apps' databases, as stack outputs."""
        return {
            "storage_classes": [STORAGE_CLASS, SINGLE_REPLICA_CLASS],
            "shared_storage_classes": [STORAGE_CLASS, SINGLE_REPLICA_CLASS],
            "storage_class": STORAGE_CLASS,
            "database_storage_class": SINGLE_REPLICA_CLASS,
        }

    def findings(self) -> Iterator[Finding]:
        """Yield errors in Longhorn's backups, storage nodes and number of replicas."""
        if self.settings.backup and self._bucket is None:
            yield ("backup", "s3"), "is missing, and the platform has no objectStore", MISSING_BUCKET_FIX
        count = len(self._storage_nodes)
        if not self.lab.schedulable_nodes:
            yield (), "needs an untainted node", "remove the taints of a node, or use the effect PreferNoSchedule"
        elif not count:
            fix = "add the labels of storageNodes to nodes in cluster.nodes"
            yield ("storageNodes",), "matches no untainted node", fix
        elif self.settings.replicas and self.settings.replicas > count:
            reason = f"exceeds the number of storage nodes ({count})"
            yield ("replicas",), reason, f"use at most {count}, or add storage nodes"


def _single_replica_class() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": SINGLE_REPLICA_CLASS},
        "provisioner": "driver.longhorn.io",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        # with `strict-local`, a pod could not mount its volume after a move to another node
        "parameters": {
            "numberOfReplicas": "1",
            "dataLocality": "best-effort",
            "staleReplicaTimeout": "30",
            "fsType": "ext4",
        },
    }
