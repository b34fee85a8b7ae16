"""Cassandra: a distributed database, run by the K8ssandra operator."""

from collections.abc import Iterator, Mapping, Sequence

from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import volumes
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, PositiveInt, Text
from components.settings.kubernetes_fields import Size
from components.settings.model import Model
from components.settings.quantities import mebibytes

CLUSTER, DATACENTER = "lab", "dc1"


class CassandraClusterSettings(Model):
    """A Cassandra cluster with one datacenter. The operator stores the superuser's credentials in the Secret
    lab-superuser."""

    members: PositiveInt | None = None
    """Number of members, on different nodes. Default: 3, or 1 if the cluster has fewer than 3 untainted nodes."""
    version: Text = "5.0.4"
    """Version of Cassandra."""
    size: Size = "10Gi"
    """Volume size of each member. The volumes remain when the Cassandra cluster is deleted."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` if the layer longhorn is enabled and there are 2 or more
    members; if not, the cluster's default StorageClass."""
    memory: Size = "2Gi"
    """Memory of each member, of which Cassandra's heap uses half."""


class CassandraSettings(Model):
    """Cassandra, run by the K8ssandra operator, which manages `K8ssandraCluster` resources in every namespace."""

    cluster: CassandraClusterSettings | None = None
    """Cassandra cluster `lab` in the namespace `cassandra`. Default: no cluster, so only the operators run."""


class Cassandra(Layer[CassandraSettings]):
    """The K8ssandra operator with cass-operator, and optionally a Cassandra cluster."""

    key = "cassandra"
    settings_type = CassandraSettings
    namespace = "cassandra"
    requires = ("certManager",)
    installs_after = ("longhorn",)
    charts_with_crds_folder = ("k8ssandra-operator",)
    user_data = "Cassandra clusters"
    user_data_queries = (
        "k8ssandraclusters.k8ssandra.io -A",
        "cassandradatacenters.cassandra.datastax.com -A",
        "persistentvolumeclaims -A -l app.kubernetes.io/managed-by=cass-operator",
    )

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        Each of the two operators has only one replica, because neither supports leader election.
        """
        operators: dict[str, Json] = {
            "global": {"clusterScoped": True},
            "replicaCount": 1,
            "resources": resources("50m", "256Mi"),
            "disableCrdUpgraderJob": True,  # homelab applies the CRDs before the chart
            "cass-operator": {"replicaCount": 1, "resources": resources("50m", "256Mi")},
        }
        return {"k8ssandra-operator": operators}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the K8ssandraCluster, if `cluster` is set."""
        cluster = self.settings.cluster
        if cluster is None:
            return ()
        spec = {"cassandra": self._cassandra(cluster)}
        type_meta = {"apiVersion": "k8ssandra.io/v1alpha1", "kind": "K8ssandraCluster"}
        return [{**type_meta, "metadata": self.metadata(CLUSTER), "spec": spec}]

    def _cassandra(self, cluster: CassandraClusterSettings) -> Json:
        claim: dict[str, Json] = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": cluster.size}},
        }
        if storage_class := volumes.storage_class_for(self.lab, cluster.storage_class, self.members):
            claim["storageClassName"] = storage_class
        # without this annotation, removing `cluster` from the stack file would delete Cassandra's volumes
        annotations = {"cassandra.datastax.com/delete-pvc": "false"}
        return {
            "serverVersion": cluster.version,
            "softPodAntiAffinity": False,  # at most one member per node
            "resources": resources("250m", cluster.memory),
            "config": {"jvmOptions": {"heapSize": f"{mebibytes(cluster.memory) // 2}Mi"}},
            "storageConfig": {"cassandraDataVolumeClaimSpec": claim},
            "datacenters": [{"metadata": {"name": DATACENTER, "annotations": annotations}, "size": self.members}],
            **({"telemetry": {"prometheus": {"enabled": True}}} if self.has_monitoring else {}),
        }

    @property
    def members(self) -> int:
        """Number of members. Three members keep quorum when one member fails."""
        configured = self.settings.cluster.members if self.settings.cluster else None
        return configured or self.lab.quorum_size

    def outputs(self) -> Mapping[str, object]:
        """Return the host and port to which Cassandra clients connect."""
        address = f"{CLUSTER}-{DATACENTER}-service.{self.namespace}.svc:9042"
        return {"cassandra_contact": address} if self.settings.cluster else {}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the cluster's StorageClass, number of members and memory."""
        cluster = self.settings.cluster
        if cluster is None:
            return
        yield from volumes.findings(self.lab, cluster.storage_class, "cluster")
        count = len(self.lab.schedulable_nodes)
        if cluster.members and cluster.members > count:
            reason = f"exceeds the number of untainted nodes ({count})"
            yield ("cluster", "members"), reason, f"use at most {count}, or add nodes"
        if mebibytes(cluster.memory) < 1024:
            yield ("cluster", "memory"), "is too little for Cassandra to start", "use 1Gi or more"
