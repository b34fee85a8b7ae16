"""Tempo, which stores traces of apps and searches in them."""

from collections.abc import Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import grafana, retained_storage
from components.layers.shared.retained_storage import RetainedStorageLayer, RetainedStorageSettings
from components.platform.layer import resources
from components.settings.fields import PositiveInt
from components.settings.kubernetes_fields import Size

HOST = "tempo.tempo.svc"
OTLP_PORT = 4318
"""Port to which apps send traces with OTLP over HTTP."""
_DATA = "/var/tempo"


class TempoSettings(RetainedStorageSettings):
    """Settings of Tempo, which stores the traces of apps. Tempo has one replica."""

    retention_days: PositiveInt = 14
    """Number of days after which Tempo deletes traces."""
    memory: Size = "1Gi"
    """Memory of Tempo."""


class Tempo(RetainedStorageLayer[TempoSettings]):
    """Layer for Tempo in single-binary mode, with an OTLP receiver and a Grafana data source."""

    key = "tempo"
    settings_type = TempoSettings
    namespace = "tempo"
    user_data = "traces"
    user_data_queries = ("persistentvolumeclaims -n tempo",)

    def values(self) -> Mapping[str, Json]:
        """Return Tempo's Helm values. The OTLP receiver is enabled by default in Tempo's chart."""
        storage_class = self.settings.storage_class
        tempo: dict[str, Json] = {
            "retention": self.storage.retention,
            "reportingEnabled": False,
            "memBallastSizeMbs": 0,
            "resources": resources("50m", self.settings.memory),
            "storage": {"trace": self._storage()},
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            **self.storage.key_environment,
        }
        values: dict[str, Json] = {
            "tempo": tempo,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccount": {"automountServiceAccountToken": False},
            "persistence": self.storage.volume | ({"storageClassName": storage_class} if storage_class else {}),
            "serviceMonitor": {"enabled": self.has_monitoring},
            **self.storage.pod_annotations,
        }
        return {"tempo": values}

    def _storage(self) -> Json:
        s3 = self.storage.bucket
        local_paths = {"local": {"path": f"{_DATA}/traces"}, "wal": {"path": f"{_DATA}/wal"}}
        if s3 is None:
            return {"backend": "local", **local_paths}
        folder = {"prefix": s3.path} if s3.path else {}
        return {
            "backend": "s3",
            **local_paths,
            "s3": {"bucket": s3.bucket, "region": s3.region, **retained_storage.s3_endpoint_values(s3), **folder},
        }

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Grafana data source of Tempo, which links traces to logs if the layer loki is enabled."""
        if not self.has_monitoring:
            return ()
        # Grafana expands `$NAME` as a variable, so `$$` is needed for one dollar sign
        query = '{source="pods"} |= "$${__trace.traceId}"'
        time_range = {"spanStartTimeShift": "-5m", "spanEndTimeShift": "5m"}
        logs = {"tracesToLogsV2": {"datasourceUid": "loki", "customQuery": True, "query": query, **time_range}}
        links = logs if self.lab.is_enabled("loki") else {}
        return [grafana.data_source(self.metadata("grafana-data-source"), "tempo", f"http://{HOST}:3200", **links)]

    def outputs(self) -> Mapping[str, object]:
        """Return the endpoint to which apps send traces, as a stack output."""
        return {"traces_endpoint": f"http://{HOST}:{OTLP_PORT}"}
