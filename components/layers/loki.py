"""Loki: log storage and search."""

from collections.abc import Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import grafana, retained_storage
from components.layers.shared.retained_storage import RetainedStorageLayer, RetainedStorageSettings
from components.platform.layer import resources
from components.settings.kubernetes_fields import Size

URL = "http://loki.loki.svc:3100"
"""Endpoint for sending and querying logs."""
_SCHEMA_SINCE = "2024-04-01"  # a date before every log entry
_DISABLED_COMPONENTS = ("gateway", "lokiCanary", "test", "chunksCache", "resultsCache", "ruler")
_UNUSED_TARGETS = ("read", "write", "backend")
_TRACE_ID = r"trace_?[iI][dD]\W+(\w+)"


class LokiSettings(RetainedStorageSettings):
    """Settings of Loki, which stores logs. Loki has one replica. While Loki is down, Vector buffers logs on each
    node."""

    memory: Size = "1Gi"
    """Memory of Loki."""


class Loki(RetainedStorageLayer[LokiSettings]):
    """Layer for Loki in single-binary mode, with a Grafana data source for its logs."""

    key = "loki"
    settings_type = LokiSettings
    namespace = "loki"
    user_data = "logs"
    user_data_queries = ("persistentvolumeclaims -n loki",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of Loki with one replica.

        The values disable the components of Loki's chart that only large installations need.
        """
        storage, storage_class = self.storage, self.settings.storage_class
        single: dict[str, Json] = {
            "replicas": 1,
            "podDisruptionBudget": {"enabled": False},  # a budget for a single replica would block every drain
            "resources": resources("100m", self.settings.memory),
            "persistence": storage.volume | ({"storageClass": storage_class} if storage_class else {}),
            **storage.key_environment,
            **storage.pod_annotations,
        }
        values: dict[str, Json] = {
            "loki": self._configuration(),
            "singleBinary": single,
            **{component: {"enabled": False} for component in _DISABLED_COMPONENTS},
            **{target: {"replicas": 0} for target in _UNUSED_TARGETS},
            "sidecar": {"rules": {"enabled": False}},
            "monitoring": {"serviceMonitor": {"enabled": self.has_monitoring}},
        }
        return {"loki": values}

    def _configuration(self) -> Json:
        store = "s3" if self.storage.bucket else "filesystem"
        index = {"prefix": "index_", "period": "24h"}
        schema = {"from": _SCHEMA_SINCE, "store": "tsdb", "object_store": store, "schema": "v13", "index": index}
        hours = self.storage.retention
        return {
            "auth_enabled": False,
            "commonConfig": {"replication_factor": 1},
            "schemaConfig": {"configs": [schema]},
            "storage": self._storage(),
            "compactor": {"retention_enabled": True, "delete_request_store": store},
            # node journals contain old entries, so Loki must accept entries from the whole retention period
            "limits_config": {"retention_period": hours, "reject_old_samples_max_age": hours},
            "analytics": {"reporting_enabled": False},
        }

    def _storage(self) -> Json:
        s3 = self.storage.bucket
        if s3 is None:
            return {"type": "filesystem"}
        store = {
            "type": "s3",
            **retained_storage.flat_prefix_values(s3),
            "s3": {**retained_storage.s3_endpoint_values(s3), "region": s3.region},
        }
        return {"type": "s3", "bucketNames": {"chunks": s3.bucket}, "use_thanos_objstore": True, "object_store": store}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Grafana data source of Loki, which links logs to traces if the layer tempo is enabled."""
        if not self.has_monitoring:
            return ()
        # Grafana expands `$NAME` as a variable, so `$$` is needed for one dollar sign
        link = {"name": "trace", "matcherRegex": _TRACE_ID, "datasourceUid": "tempo", "url": "$${__value.raw}"}
        links = {"derivedFields": [link]} if self.lab.is_enabled("tempo") else {}
        return [grafana.data_source(self.metadata("grafana-data-source"), "loki", URL, **links)]
