"""Cassandra, a distributed database that the K8ssandra operator manages."""

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
    """Settings of a Cassandra cluster with one datacenter.

    The K8ssandra operator stores the superuser's credentials in the Kubernetes Secret lab-superuser.
    """

    members: PositiveInt | None = None
    """Number of Cassandra members, each on a different node. Default: 3, or 1 if the cluster has fewer than 3 untainted
    nodes."""
    version: Text = "5.0.4"
    """Version of Cassandra."""
    size: Size = "10Gi"
    """Volume size of each member. The volumes of the members remain when you delete the Cassandra cluster."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` with the layer longhorn and two or more members,
    otherwise the cluster's default StorageClass."""
    memory: Size = "2Gi"
    """Memory of each Cassandra member. Cassandra's Java heap uses half of a member's memory."""


class CassandraSettings(Model):
    """Settings of Cassandra. The K8ssandra operator manages the `K8ssandraCluster` resources in all namespaces."""

    cluster: CassandraClusterSettings | None = None
    """Cassandra cluster `lab` in the namespace `cassandra`. Default: none, so homelab installs only the K8ssandra
    operator and cass-operator."""


class Cassandra(Layer[CassandraSettings]):
    """Layer for the K8ssandra operator, cass-operator and, if the stack file describes one, a Cassandra cluster."""

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

        The K8ssandra operator and cass-operator have one replica each, because neither operator supports leader
        election.
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
        """Return the K8ssandraCluster, or nothing if the setting `cluster` is missing."""
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
        # the annotation prevents the operator from deleting Cassandra's volumes together with the K8ssandraCluster
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
        """Number of members. A Cassandra cluster of three members tolerates the failure of one member."""
        configured = self.settings.cluster.members if self.settings.cluster else None
        return configured or self.lab.quorum_size

    def outputs(self) -> Mapping[str, object]:
        """Return the host and port to which Cassandra clients connect, as a stack output."""
        address = f"{CLUSTER}-{DATACENTER}-service.{self.namespace}.svc:9042"
        return {"cassandra_contact": address} if self.settings.cluster else {}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the Cassandra cluster's StorageClass, number of members and memory."""
        cluster = self.settings.cluster
        if cluster is None:
            return
        yield from volumes.findings(self.lab, cluster.storage_class, "cluster")
        yield from volumes.member_findings(self.lab, cluster.members, "use at most {count}, or add nodes")
        if mebibytes(cluster.memory) < 1024:
            yield ("cluster", "memory"), "is too little for Cassandra to start", "use 1Gi or more"
