"""Tempo: traces, kept and searched."""

from collections.abc import Iterator, Mapping, Sequence

from components import archive, grafana
from components.app.kinds import Size
from components.archive import Archive, ArchiveSettings
from components.fields import Count
from components.layer import Finding, Layer, resources
from components.manifest import Manifest, Tree

HOST = "tempo.tempo.svc"
PORT = 4318
"""Where it takes traces, by OTLP over HTTP."""
_WORKS = "/var/tempo"


class TempoSettings(ArchiveSettings):
    """Tempo: traces, kept and searched. It runs once."""

    retention_days: Count = 14
    """Days after which it is deleted."""
    memory: Size = "1Gi"
    """Its memory."""


class Tempo(Layer[TempoSettings]):
    """Tempo in one process, which takes traces by OTLP, and Grafana's way to it."""

    key = "tempo"
    settings_type = TempoSettings
    namespace = "tempo"
    security = "restricted"
    after = ("longhorn",)
    keeps = "traces"
    kept = ("persistentvolumeclaims -n tempo",)

    def values(self) -> Mapping[str, Tree]:
        """Return Tempo, which takes OTLP as its chart has it."""
        chosen = self.settings.storage_class
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
            "persistence": self.archive.volume | ({"storageClassName": chosen} if chosen else {}),
            "serviceMonitor": {"enabled": self.monitored},
            **self.archive.annotations,
        }
        return {"tempo": values}

    def _storage(self) -> Tree:
        s3 = self.archive.bucket
        here = {"local": {"path": f"{_WORKS}/traces"}, "wal": {"path": f"{_WORKS}/wal"}}
        if s3 is None:
            return {"backend": "local", **here}
        folder = {"prefix": s3.path} if s3.path else {}
        return {
            "backend": "s3",
            **here,
            "s3": {"bucket": s3.bucket, "region": s3.region, **archive.endpoint(s3), **folder},
        }

    @property
    def archive(self) -> Archive:
        """Where the traces are."""
        return Archive(self.lab, self.key, self.settings)

    def before(self) -> Sequence[Manifest]:
        """Return the keys to the bucket."""
        return [*self.archive.secret(self.namespace)]

    def extend(self) -> Sequence[Manifest]:
        """Return Grafana's way to the traces, from them to logs where these are kept."""
        if not self.monitored:
            return ()
        # Grafana puts variables of its own in place of a single dollar sign
        query = '{source="pods"} |= "$${__trace.traceId}"'
        around = {"spanStartTimeShift": "-5m", "spanEndTimeShift": "5m"}
        logs = {"tracesToLogsV2": {"datasourceUid": "loki", "customQuery": True, "query": query, **around}}
        more = logs if self.lab.has("loki") else {}
        return [grafana.data_source(self.metadata("grafana-data-source"), "tempo", f"http://{HOST}:3200", **more)]

    def outputs(self) -> Mapping[str, object]:
        """Return where apps send traces to."""
        return {"traces_endpoint": f"http://{HOST}:{PORT}"}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with its volume and its bucket."""
        return self.archive.problems()
