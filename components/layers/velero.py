"""Velero: apps with their volumes in S3, from where they come back, into another cluster too."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from components.fields import Count, HostLabel, Schedule
from components.layer import Finding, Layer, resources
from components.manifest import Filled, Manifest, Tree, secret_of
from components.model import Model, SecretRef
from components.object_store import NAME_STORE, ObjectStoreSettings

# each minor version of Velero has one of the plugin: raise it together with the chart
PLUGIN = "velero/velero-plugin-for-aws:v1.14.1"
_KEYS = "object-store"
_REPOSITORY = "velero-repo-credentials"
"""Name that Velero gives the secret with the password of its repositories, if there is none yet."""


class BackupScheduleSettings(Model):
    """A backup that is made again and again."""

    schedule: Schedule = "0 2 * * *"
    """When, as a cron schedule in UTC: minute, hour, day of the month, month, day of the week."""
    namespaces: tuple[HostLabel, ...] = ()
    """Namespaces that are backed up. Default: all but those of `exclude`."""
    exclude: tuple[HostLabel, ...] = ("kube-system", "monitoring", "loki", "tempo")
    """Namespaces that are not, as `pulumi up` makes them anew, or as what they hold is of no use elsewhere."""
    retention_days: Count = 14
    """Days for which each is kept."""


class VeleroSettings(Model):
    """Velero: apps with their volumes, backed up to S3."""

    s3: ObjectStoreSettings | None = None
    """Where backups go. Default: folder `velero` of the platform's objectStore."""
    password: SecretRef
    """Secret that holds the password by which volumes are encrypted there; without it none can be restored."""
    schedules: dict[HostLabel, BackupScheduleSettings] = Field(
        default_factory=lambda: {"daily": BackupScheduleSettings()}
    )
    """Backups that are made again and again, by a name of your choice. Default: `daily`, of everything."""


class Velero(Layer[VeleroSettings]):
    """Velero, which moves snapshots of volumes to S3."""

    key = "velero"
    settings_type = VeleroSettings
    namespace = "velero"
    security = "privileged"  # what moves data reads the volumes of its machine
    requires = ("snapshotController",)
    after = ("longhorn",)
    bare_crds = ("velero",)

    def values(self) -> Mapping[str, Tree]:
        """Return Velero with Amazon's plugin; its CRDs are not its chart's business."""
        values: dict[str, Tree] = {
            "upgradeCRDs": False,
            "cleanUpCRDs": False,
            "initContainers": [_plugin()],
            "credentials": {"useSecret": True, "existingSecret": _KEYS},
            "configuration": {
                "backupStorageLocation": [self._location()],
                "volumeSnapshotLocation": [],
                "features": "EnableCSI",
                "defaultSnapshotMoveData": True,
                "uploaderType": "kopia",
            },
            "deployNodeAgent": True,
            "nodeAgent": {"resources": resources("25m", "512Mi"), "tolerations": [{"operator": "Exists"}]},
            "resources": resources("50m", "512Mi"),
            "metrics": {
                part: {"enabled": self.monitored, "autodetect": False}
                for part in ("serviceMonitor", "nodeAgentPodMonitor")
            },
            "schedules": {name: _schedule(given) for name, given in self.settings.schedules.items()},
        }
        return {"velero": values}

    def _location(self) -> Tree:
        s3 = self._bucket
        if s3 is None:
            return {}
        # services other than Amazon's know neither its host names of buckets nor its newest checksums
        other = {"s3Url": s3.endpoint, "s3ForcePathStyle": "true", "checksumAlgorithm": ""} if s3.endpoint else {}
        place = {"bucket": s3.bucket, "prefix": s3.path} if s3.path else {"bucket": s3.bucket}
        return {
            "name": "default",
            "provider": "aws",
            "default": True,
            **place,
            "config": {"region": s3.region, **other},
        }

    @property
    def _bucket(self) -> ObjectStoreSettings | None:
        return self.lab.store(self.settings.s3, self.key)

    def before(self) -> Sequence[Manifest]:
        """Return the keys to the bucket, and the password of what is in it."""
        data: dict[str, Tree] = {"repository-password": self.settings.password}
        made = [secret_of(self.metadata(_REPOSITORY), data)]
        if s3 := self._bucket:
            text = "[default]\naws_access_key_id={}\naws_secret_access_key={}\n"
            made.append(secret_of(self.metadata(_KEYS), {"cloud": Filled(text, (s3.access_key, s3.secret_key))}))
        return made

    def problems(self) -> Iterator[Finding]:
        """Yield that there is no bucket, and what is wrong with the schedules."""
        if self._bucket is None:
            yield ("s3",), "is missing, and there is no objectStore to share", NAME_STORE
        for name, given in self.settings.schedules.items():
            for both in sorted(set(given.namespaces) & set(given.exclude)):
                place = ("schedules", name, "namespaces")
                yield place, f"names {both}, which exclude takes out", "take it out of one of them"


def _plugin() -> Tree:
    mount = {"name": "plugins", "mountPath": "/target"}
    return {"name": "aws", "image": PLUGIN, "resources": resources("10m", "64Mi"), "volumeMounts": [mount]}


def _schedule(given: BackupScheduleSettings) -> Tree:
    template = {
        "includedNamespaces": list(given.namespaces) or ["*"],
        "excludedNamespaces": list(given.exclude),
        "snapshotMoveData": True,
        "ttl": f"{given.retention_days * 24}h0m0s",
    }
    return {"schedule": given.schedule, "template": template}
