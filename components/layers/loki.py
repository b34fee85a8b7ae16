"""Loki: logs, kept and searched."""

from collections.abc import Iterator, Mapping, Sequence

from components import archive, grafana
from components.app.kinds import Size
from components.archive import Archive, ArchiveSettings
from components.layer import Finding, Layer, resources
from components.manifest import Manifest, Tree

URL = "http://loki.loki.svc:3100"
"""Where logs are sent to, and asked for."""
_SCHEMA_SINCE = "2024-04-01"  # older than any log
_OFF = ("gateway", "lokiCanary", "test", "chunksCache", "resultsCache", "ruler")
_SCALED = ("read", "write", "backend")
_TRACE = r"trace_?[iI][dD]\W+(\w+)"


class LokiSettings(ArchiveSettings):
    """Loki: logs, kept and searched. It runs once, and logs wait where they are written while it is away."""

    memory: Size = "1Gi"
    """Its memory."""


class Loki(Layer[LokiSettings]):
    """Loki in one process, and Grafana's way to it."""

    key = "loki"
    settings_type = LokiSettings
    namespace = "loki"
    security = "restricted"
    after = ("longhorn",)
    keeps = "logs"
    kept = ("persistentvolumeclaims -n loki",)

    def values(self) -> Mapping[str, Tree]:
        """Return Loki alone, without what its chart has for large ones."""
        kept, chosen = self.archive, self.settings.storage_class
        single: dict[str, Tree] = {
            "replicas": 1,
            "podDisruptionBudget": {"enabled": False},  # it would block every drain
            "resources": resources("100m", self.settings.memory),
            "persistence": kept.volume | ({"storageClass": chosen} if chosen else {}),
            **kept.keys,
            **kept.annotations,
        }
        values: dict[str, Tree] = {
            "loki": self._configuration(),
            "singleBinary": single,
            **{part: {"enabled": False} for part in _OFF},
            **{part: {"replicas": 0} for part in _SCALED},
            "sidecar": {"rules": {"enabled": False}},
            "monitoring": {"serviceMonitor": {"enabled": self.monitored}},
        }
        return {"loki": values}

    def _configuration(self) -> Tree:
        store = "s3" if self.archive.bucket else "filesystem"
        index = {"prefix": "index_", "period": "24h"}
        schema = {"from": _SCHEMA_SINCE, "store": "tsdb", "object_store": store, "schema": "v13", "index": index}
        hours = self.archive.hours
        return {
            "auth_enabled": False,
            "commonConfig": {"replication_factor": 1},
            "schemaConfig": {"configs": [schema]},
            "storage": self._storage(),
            "compactor": {"retention_enabled": True, "delete_request_store": store},
            # journals reach back: what is to be kept is taken
            "limits_config": {"retention_period": hours, "reject_old_samples_max_age": hours},
            "analytics": {"reporting_enabled": False},
        }

    def _storage(self) -> Tree:
        s3 = self.archive.bucket
        if s3 is None:
            return {"type": "filesystem"}
        place = {"type": "s3", **archive.flat(s3), "s3": {**archive.endpoint(s3), "region": s3.region}}
        return {"type": "s3", "bucketNames": {"chunks": s3.bucket}, "use_thanos_objstore": True, "object_store": place}

    @property
    def archive(self) -> Archive:
        """Where the logs are."""
        return Archive(self.lab, self.key, self.settings)

    def before(self) -> Sequence[Manifest]:
        """Return the keys to the bucket."""
        return [*self.archive.secret(self.namespace)]

    def extend(self) -> Sequence[Manifest]:
        """Return Grafana's way to the logs, from them to traces where these are kept."""
        if not self.monitored:
            return ()
        # Grafana puts variables of its own in place of a single dollar sign
        link = {"name": "trace", "matcherRegex": _TRACE, "datasourceUid": "tempo", "url": "$${__value.raw}"}
        more = {"derivedFields": [link]} if self.lab.has("tempo") else {}
        return [grafana.data_source(self.metadata("grafana-data-source"), "loki", URL, **more)]

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with its volume and its bucket."""
        return self.archive.problems()
