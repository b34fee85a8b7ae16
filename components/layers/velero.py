"""Velero, which backs up apps and their volumes to S3, and restores them into the same or another cluster."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.kubernetes.manifest import Json, Manifest, SecretTemplate, secret_manifest
from components.platform.layer import Layer, resources
from components.platform.object_store import MISSING_BUCKET_FIX, ObjectStoreSettings
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, PositiveInt, Schedule
from components.settings.model import Model, SecretRef

# each minor version of Velero needs a matching version of the AWS plugin, so upgrade both together
AWS_PLUGIN_IMAGE = "velero/velero-plugin-for-aws:v1.14.1"
_KEYS = "object-store"
_REPOSITORY = "velero-repo-credentials"
"""Name of the Kubernetes Secret with the password of Velero's backup repositories. Velero creates the Secret only if it
is missing."""


class BackupScheduleSettings(Model):
    """Settings of a scheduled backup."""

    schedule: Schedule = "0 2 * * *"
    """Cron schedule of the backup in UTC: minute, hour, day of the month, month, day of the week."""
    namespaces: tuple[DnsLabel, ...] = ()
    """Namespaces to back up. Default: all namespaces except the namespaces under `exclude`."""
    exclude: tuple[DnsLabel, ...] = ("kube-system", "monitoring", "loki", "tempo")
    """Namespaces that Velero does not back up. Default: namespaces that `pulumi up` can recreate, and namespaces whose
    data is useless in another cluster."""
    retention_days: PositiveInt = 14
    """Number of days for which Velero retains a backup."""


class VeleroSettings(Model):
    """Settings of Velero, which backs up apps and their volumes to S3."""

    s3: ObjectStoreSettings | None = None
    """Bucket for the backups. Default: the folder `velero` in the bucket of `platform.objectStore`."""
    password: SecretRef
    """Pulumi secret that contains the password with which Velero encrypts volume backups. Without the password, nobody
    can restore the volume backups."""
    schedules: dict[DnsLabel, BackupScheduleSettings] = Field(
        default_factory=lambda: {"daily": BackupScheduleSettings()}
    )
    """Schedules of backups, by a name of your choice. Default: one schedule `daily` with default settings."""


class Velero(Layer[VeleroSettings]):
    """Layer for Velero, which copies volume snapshots to S3."""

    key = "velero"
    settings_type = VeleroSettings
    namespace = "velero"
    pod_security = "privileged"  # the node agent reads the volumes of the host
    requires = ("snapshotController",)
    installs_after = ("longhorn",)
    charts_with_crds_folder = ("velero",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Velero with its AWS plugin.

        homelab itself applies Velero's CRDs, so the chart does not.
        """
        values: dict[str, Json] = {
            "upgradeCRDs": False,
            "cleanUpCRDs": False,
            "initContainers": [_aws_plugin()],
            "credentials": {"useSecret": True, "existingSecret": _KEYS},
            "configuration": {
                "backupStorageLocation": [self._backup_location()],
                "volumeSnapshotLocation": [],
                "features": "EnableCSI",
                "defaultSnapshotMoveData": True,
                "uploaderType": "kopia",
            },
            "deployNodeAgent": True,
            "nodeAgent": {"resources": resources("25m", "512Mi"), "tolerations": [{"operator": "Exists"}]},
            "resources": resources("50m", "512Mi"),
            "metrics": {
                part: {"enabled": self.has_monitoring, "autodetect": False}
                for part in ("serviceMonitor", "nodeAgentPodMonitor")
            },
            "schedules": {name: _schedule(schedule) for name, schedule in self.settings.schedules.items()},
        }
        return {"velero": values}

    def _backup_location(self) -> Json:
        s3 = self._bucket
        if s3 is None:
            return {}
        # some S3 services support neither virtual-hosted-style requests nor the newest checksums of Amazon S3
        custom = {"s3Url": s3.endpoint, "s3ForcePathStyle": "true", "checksumAlgorithm": ""} if s3.endpoint else {}
        bucket = {"bucket": s3.bucket, "prefix": s3.path} if s3.path else {"bucket": s3.bucket}
        return {
            "name": "default",
            "provider": "aws",
            "default": True,
            **bucket,
            "config": {"region": s3.region, **custom},
        }

    @property
    def _bucket(self) -> ObjectStoreSettings | None:
        return self.lab.object_store(self.settings.s3, self.key)

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets with the S3 credentials and the password for volume backups."""
        data: dict[str, Json] = {"repository-password": self.settings.password}
        secrets = [secret_manifest(self.metadata(_REPOSITORY), data)]
        if s3 := self._bucket:
            template = "[default]\naws_access_key_id={}\naws_secret_access_key={}\n"
            secrets.append(
                secret_manifest(
                    self.metadata(_KEYS), {"cloud": SecretTemplate(template, (s3.access_key, s3.secret_key))}
                )
            )
        return secrets

    def findings(self) -> Iterator[Finding]:
        """Yield an error if the S3 bucket is missing, and errors in the backup schedules."""
        if self._bucket is None:
            yield ("s3",), "is missing, and the platform has no objectStore", MISSING_BUCKET_FIX
        for name, schedule in self.settings.schedules.items():
            for namespace in sorted(set(schedule.namespaces) & set(schedule.exclude)):
                path = ("schedules", name, "namespaces")
                yield path, f"lists {namespace}, which exclude also lists", "remove it from one of them"


def _aws_plugin() -> Json:
    mount = {"name": "plugins", "mountPath": "/target"}
    return {"name": "aws", "image": AWS_PLUGIN_IMAGE, "resources": resources("10m", "64Mi"), "volumeMounts": [mount]}


def _schedule(settings: BackupScheduleSettings) -> Json:
    template = {
        "includedNamespaces": list(settings.namespaces) or ["*"],
        "excludedNamespaces": list(settings.exclude),
        "snapshotMoveData": True,
        "ttl": f"{settings.retention_days * 24}h0m0s",
    }
    return {"schedule": settings.schedule, "template": template}
