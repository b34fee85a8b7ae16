"""Tempo: trace storage and search."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import Manifest, Tree
from components.layers.shared import grafana
from components.layers.shared import retained_storage as archive
from components.layers.shared.retained_storage import Archive, ArchiveSettings
from components.platform.layer import Finding, Layer, resources
from components.settings.fields import Count
from components.settings.kubernetes_fields import Size

HOST = "tempo.tempo.svc"
PORT = 4318
"""Port for sending traces, with OTLP over HTTP."""
_DATA = "/var/tempo"


class TempoSettings(ArchiveSettings):
    """Tempo: trace storage and search. Tempo has one replica."""

    retention_days: Count = 14
    """Days after which Tempo deletes traces."""
    memory: Size = "1Gi"
    """Memory of Tempo."""


class Tempo(Layer[TempoSettings]):
    """Tempo in single-binary mode, with an OTLP receiver and a Grafana data source."""

    key = "tempo"
    settings_type = TempoSettings
    namespace = "tempo"
    security = "restricted"
    after = ("longhorn",)
    keeps = "traces"
    kept = ("persistentvolumeclaims -n tempo",)

    def values(self) -> Mapping[str, Tree]:
        """Return Tempo's Helm values. The chart enables OTLP by default."""
        storage_class = self.settings.storage_class
        tempo: dict[str, Tree] = {
            "retention": self.archive.hours,
            "reportingEnabled": False,
            "memBallastSizeMbs": 0,
            "resources": resources("50m", self.settings.memory),
            "storage": {"trace": self._storage()},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            **self.archive.keys,
        }
        values: dict[str, Tree] = {
            "tempo": tempo,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccount": {"automountServiceAccountToken": False},
            "persistence": self.archive.volume | ({"storageClassName": storage_class} if storage_class else {}),
            "serviceMonitor": {"enabled": self.monitored},
            **self.archive.annotations,
        }
        return {"tempo": values}

    def _storage(self) -> Tree:
        s3 = self.archive.bucket
        local_paths = {"local": {"path": f"{_DATA}/traces"}, "wal": {"path": f"{_DATA}/wal"}}
        if s3 is None:
            return {"backend": "local", **local_paths}
        folder = {"prefix": s3.path} if s3.path else {}
        return {
            "backend": "s3",
            **local_paths,
            "s3": {"bucket": s3.bucket, "region": s3.region, **archive.endpoint(s3), **folder},
        }

    @property
    def archive(self) -> Archive:
        """The storage of the traces."""
        return Archive(self.lab, self.key, self.settings)

    def before(self) -> Sequence[Manifest]:
        """Return the Secret with the credentials for the S3 bucket."""
        return [*self.archive.secret(self.namespace)]

    def extend(self) -> Sequence[Manifest]:
        """Return the Grafana data source, which links traces to logs if loki is enabled."""
        if not self.monitored:
            return ()
        # two dollar signs, because Grafana expands variables after a single dollar sign
        query = '{source="pods"} |= "$${__trace.traceId}"'
        time_range = {"spanStartTimeShift": "-5m", "spanEndTimeShift": "5m"}
        logs = {"tracesToLogsV2": {"datasourceUid": "loki", "customQuery": True, "query": query, **time_range}}
        links = logs if self.lab.has("loki") else {}
        return [grafana.data_source(self.metadata("grafana-data-source"), "tempo", f"http://{HOST}:3200", **links)]

    def outputs(self) -> Mapping[str, object]:
        """Return the endpoint to which apps send traces."""
        return {"traces_endpoint": f"http://{HOST}:{PORT}"}

    def problems(self) -> Iterator[Finding]:
        """Yield errors in the settings of Tempo's volume and bucket."""
        return self.archive.problems()
