"""Longhorn: volumes with copies on several machines, and their backups."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from components.app.kinds import Path
from components.fields import Count, LabelKey, LabelValue, Schedule
from components.host import Host
from components.lab import NodeSettings
from components.layer import Finding, Layer
from components.manifest import Manifest, Tree, secret_of
from components.model import Model
from components.object_store import NAME_STORE, ObjectStoreSettings

CLASS, SINGLE = "longhorn", "longhorn-single"
COPIES = 3
_BACKUP = "backup"
_DISK = {"node.longhorn.io/create-default-disk": "true"}


class VolumeBackupSettings(Model):
    """Backups of all volumes."""

    s3: ObjectStoreSettings | None = None
    """Where they go. Default: folder `longhorn` of the platform's objectStore."""
    schedule: Schedule = "0 3 * * *"
    """When, as a cron schedule in UTC: minute, hour, day of the month, month, day of the week."""
    retain: Annotated[int, Field(strict=True, ge=1, le=100)] = 7
    """How many of each volume are kept."""


class LonghornSettings(Model):
    """Longhorn: volumes with copies on several machines. Its classes are `longhorn` and `longhorn-single`."""

    replicas: Count | None = None
    """Copies of each volume, each on a machine of its own. Default: 3, or as many as there are machines for them."""
    storage_nodes: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels of the machines whose disks hold volumes. Default: all machines."""
    path: Path = "/var/lib/longhorn"
    """Folder on those machines that holds the volumes; a disk of their own may be mounted there."""
    backup: VolumeBackupSettings | None = None
    """Backups to S3. Default: there are none."""


class Longhorn(Layer[LonghornSettings]):
    """Longhorn with a class for every app, and one without copies for databases, which keep copies themselves."""

    key = "longhorn"
    settings_type = LonghornSettings
    namespace = "longhorn-system"
    security = "privileged"
    host = Host(packages=("open-iscsi", "nfs-common"), modules=("iscsi_tcp",))
    replaces = ("local-storage",)
    appears = (f"storageclass/{CLASS}",)
    keeps = "volumes"
    kept = ("volumes.longhorn.io -A",)
    timeout = 1200  # its uninstallation alone may take 900

    def values(self) -> Mapping[str, Tree]:
        """Return Longhorn; with fewer machines for volumes than copies, the copies are fewer."""
        controllers = self.lab.replicas(2)
        names = ("attacher", "provisioner", "resizer", "snapshotter")
        values: dict[str, Tree] = {
            "persistence": {
                "defaultClass": True,
                "defaultClassReplicaCount": self.replicas,
                "defaultDataLocality": "best-effort",
                "volumeBindingMode": "WaitForFirstConsumer",
            },
            "defaultSettings": self._defaults(),
            "csi": {f"{name}ReplicaCount": controllers for name in names},
            "longhornUI": {"replicas": 1},
            "longhornManager": {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
            "metrics": {"serviceMonitor": {"enabled": self.monitored}},
        }
        return {"longhorn": values | self._store()}

    def _defaults(self) -> Tree:
        return {  # texts, all of them: what Longhorn stores, and all that some releases of its chart take
            "createDefaultDiskLabeledNodes": "true" if self.settings.storage_nodes else "false",
            "defaultDataPath": self.settings.path,
            "defaultReplicaCount": str(self.replicas),
            "defaultDataLocality": "best-effort",
            "replicaAutoBalance": "best-effort",
            "storageOverProvisioningPercentage": "100",
            "storageMinimalAvailablePercentage": "15",
            "nodeDownPodDeletionPolicy": "delete-both-statefulset-and-deployment-pod",
            # a machine that holds the only copy of an idle volume may be drained: it comes back with it
            "nodeDrainPolicy": "allow-if-replica-is-stopped",
            "orphanResourceAutoDeletion": "replica-data",
            "concurrentAutomaticEngineUpgradePerNodeLimit": "1",
            "upgradeChecker": "false",
            "allowCollectingLonghornUsageMetrics": "false",
            # without it nothing could ever be uninstalled; our own guard asks first
            "deletingConfirmationFlag": "true",
        }

    def _store(self) -> dict[str, Tree]:
        s3 = self._bucket
        if s3 is None:
            return {}
        folder = f"{s3.path}/" if s3.path else ""
        target = f"s3://{s3.bucket}@{s3.region}/{folder}"
        return {"defaultBackupStore": {"backupTarget": target, "backupTargetCredentialSecret": _BACKUP}}

    def before(self) -> Sequence[Manifest]:
        """Return the keys to the bucket."""
        s3 = self._bucket
        if s3 is None:
            return ()
        data: dict[str, Tree] = {"AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key}
        if s3.endpoint:
            data["AWS_ENDPOINTS"] = s3.endpoint
        return [secret_of(self.metadata(_BACKUP), data)]

    def extend(self) -> Sequence[Manifest]:
        """Return the class for databases, and the job that backs up."""
        return [_single(), *self._job()]

    def _job(self) -> Iterator[Manifest]:
        backup = self.settings.backup
        if backup is None:
            return
        spec = {
            "name": _BACKUP,
            "task": "backup",
            "groups": ["default"],  # volumes without jobs of their own
            "cron": backup.schedule,
            "retain": backup.retain,
            "concurrency": 2,
        }
        metadata = self.metadata(_BACKUP)
        yield {"apiVersion": "longhorn.io/v1beta2", "kind": "RecurringJob", "metadata": metadata, "spec": spec}

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label that makes Longhorn use a machine's disk, where it is to be asked for."""
        return _DISK if self.settings.storage_nodes and node in self._storage else {}

    @property
    def _bucket(self) -> ObjectStoreSettings | None:
        return self.lab.store(self.settings.backup.s3, self.key) if self.settings.backup else None

    @property
    def replicas(self) -> int:
        """Copies of each volume."""
        return self.settings.replicas or max(1, min(COPIES, len(self._storage)))

    @property
    def _storage(self) -> list[NodeSettings]:
        wanted = self.settings.storage_nodes.items()
        return [node for node in self.lab.untainted if wanted <= node.labels.items()]

    def outputs(self) -> Mapping[str, object]:
        """Return the classes, the default one and the one for databases."""
        return {
            "storage_classes": [CLASS, SINGLE],
            "shared_storage_classes": [CLASS, SINGLE],
            "storage_class": CLASS,
            "database_storage_class": SINGLE,
        }

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the backups, and between the copies and the machines."""
        if self.settings.backup and self._bucket is None:
            yield ("backup", "s3"), "is missing, and there is no objectStore to share", NAME_STORE
        count = len(self._storage)
        if not self.lab.untainted:
            yield (), "finds no machine that takes any pod", "leave some without taints, or use PreferNoSchedule"
        elif not count:
            reason = "fits no machine that takes any pod"
            yield ("storageNodes",), reason, "give machines these labels under cluster.nodes"
        elif self.settings.replicas and self.settings.replicas > count:
            reason = f"is more than the machines for volumes, which are {count}"
            yield ("replicas",), reason, f"use at most {count}, or give volumes more machines"


def _single() -> Manifest:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": SINGLE},
        "provisioner": "driver.longhorn.io",
        "allowVolumeExpansion": True,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        # strict-local would leave a pod that came to another machine without its volume for good
        "parameters": {
            "numberOfReplicas": "1",
            "dataLocality": "best-effort",
            "staleReplicaTimeout": "30",
            "fsType": "ext4",
        },
    }
