"""CloudNativePG, which runs PostgreSQL for apps, with replicas on several nodes and backups in S3."""

from collections.abc import Mapping

from components.kubernetes.manifest import Json
from components.platform.layer import Layer, evicted_after, resources, topology_spread
from components.platform.object_store import ObjectStoreSettings
from components.settings.model import Model

_PRIORITY = "system-cluster-critical"
_PLUGIN_EVICTION_SECONDS = 5
"""Seconds after which Kubernetes replaces a pod of the backup plugin on a failed node. PostgreSQL databases cannot fail
over without the backup plugin."""


class CloudNativePGSettings(Model):
    """Settings of CloudNativePG, which runs PostgreSQL for apps."""

    backup: ObjectStoreSettings | None = None
    """S3 bucket for backups of apps' PostgreSQL databases. Default: the folder `databases` in the bucket of
    `platform.objectStore`, if set."""


class CloudNativePG(Layer[CloudNativePGSettings]):
    """Layer for CloudNativePG and its Barman Cloud plugin, which backs up databases to S3."""

    key = "cloudnativePg"
    settings_type = CloudNativePGSettings
    namespace = "cnpg-system"
    requires = ("certManager",)
    user_data = "databases"
    user_data_queries = ("clusters.postgresql.cnpg.io -A",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        The operator of CloudNativePG and the Barman Cloud plugin have up to two replicas each, on different nodes. The
        plugin runs without leader election, because with leader election, only the leader answers the operator and
        becomes ready. Without a leader, the replicas do not conflict, because all of them write the same RBAC rules.
        """
        operator: dict[str, Json] = {
            "replicaCount": self.lab.replicas(2),
            "crds": {"create": True},
            "config": {"clusterWide": True},
            "resources": resources("50m", "256Mi"),
            "priorityClassName": _PRIORITY,
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/name": "cloudnative-pg"}),
            "monitoring": {"podMonitorEnabled": self.has_monitoring},
        }
        plugin: dict[str, Json] = {
            "replicaCount": self.lab.replicas(2),
            "additionalArgs": ["--leader-elect=false"],
            "crds": {"create": True},
            "resources": resources("25m", "128Mi"),
            "priorityClassName": _PRIORITY,
            "topologySpreadConstraints": topology_spread({"app.kubernetes.io/name": "plugin-barman-cloud"}),
            "tolerations": evicted_after(_PLUGIN_EVICTION_SECONDS),
        }
        return {"cloudnative-pg": operator, "plugin-barman-cloud": plugin}

    def outputs(self) -> Mapping[str, object]:
        """Return the namespace of CloudNativePG and the S3 bucket of database backups, as stack outputs."""
        return {"database_operator": self.namespace, "database_backup": self._store()}

    def _store(self) -> Json:
        s3 = self.lab.object_store(self.settings.backup, "databases")
        return s3.output() if s3 else None
