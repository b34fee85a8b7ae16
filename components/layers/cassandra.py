"""Cassandra: a database of many equal members, run by the K8ssandra operator."""

from collections.abc import Iterator, Mapping, Sequence

from components import volumes
from components.app.kinds import Size
from components.fields import Count, HostLabel, Text
from components.layer import Finding, Layer, resources
from components.manifest import Manifest, Tree
from components.model import Model

CLUSTER, CENTRE = "lab", "dc1"


class CassandraClusterSettings(Model):
    """A cluster with one datacenter. Its superuser is in secret lab-superuser, which the operator makes."""

    members: Count | None = None
    """Members, each on a machine of its own. Default: 3, with less than 3 machines 1."""
    version: Text = "5.0.4"
    """Version of Cassandra."""
    size: Size = "10Gi"
    """Size of the volume of each member, which stays."""
    storage_class: HostLabel | None = None
    """Class of the volumes. Default: longhorn-single with longhorn and several members; else the default one."""
    memory: Size = "2Gi"
    """Memory of each member; Cassandra's heap is half of it."""


class CassandraSettings(Model):
    """Cassandra, run by the K8ssandra operator, which takes care of `K8ssandraCluster` resources in every namespace."""

    cluster: CassandraClusterSettings | None = None
    """Cluster `lab` in namespace `cassandra`. Default: there are the operators only."""


class Cassandra(Layer[CassandraSettings]):
    """The K8ssandra operator with cass-operator, and a Cassandra cluster if one is asked for."""

    key = "cassandra"
    settings_type = CassandraSettings
    namespace = "cassandra"
    requires = ("certManager",)
    after = ("longhorn",)
    bare_crds = ("k8ssandra-operator",)
    keeps = "Cassandra clusters"
    kept = (
        "k8ssandraclusters.k8ssandra.io -A",
        "cassandradatacenters.cassandra.datastax.com -A",
        "persistentvolumeclaims -A -l app.kubernetes.io/managed-by=cass-operator",
    )

    def values(self) -> Mapping[str, Tree]:
        """Return both operators, one of each: they elect no leader, so two copies would work against each other."""
        operators: dict[str, Tree] = {
            "global": {"clusterScoped": True},
            "replicaCount": 1,
            "resources": resources("50m", "256Mi"),
            "disableCrdUpgraderJob": True,  # they are applied before
            "cass-operator": {"replicaCount": 1, "resources": resources("50m", "256Mi")},
        }
        return {"k8ssandra-operator": operators}

    def extend(self) -> Sequence[Manifest]:
        """Return the cluster."""
        cluster = self.settings.cluster
        if cluster is None:
            return ()
        spec = {"cassandra": self._cassandra(cluster)}
        kind = {"apiVersion": "k8ssandra.io/v1alpha1", "kind": "K8ssandraCluster"}
        return [{**kind, "metadata": self.metadata(CLUSTER), "spec": spec}]

    def _cassandra(self, cluster: CassandraClusterSettings) -> Tree:
        claim: dict[str, Tree] = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": cluster.size}},
        }
        if chosen := volumes.class_of(self.lab, cluster.storage_class, self.members):
            claim["storageClassName"] = chosen
        # else the volumes would go with the cluster, and it with its key in the stack file
        keep = {"cassandra.datastax.com/delete-pvc": "false"}
        return {
            "serverVersion": cluster.version,
            "softPodAntiAffinity": False,  # each on a machine of its own, or not at all
            "resources": resources("250m", cluster.memory),
            "config": {"jvmOptions": {"heapSize": f"{volumes.mebibytes(cluster.memory) // 2}Mi"}},
            "storageConfig": {"cassandraDataVolumeClaimSpec": claim},
            "datacenters": [{"metadata": {"name": CENTRE, "annotations": keep}, "size": self.members}],
            **({"telemetry": {"prometheus": {"enabled": True}}} if self.monitored else {}),
        }

    @property
    def members(self) -> int:
        """Members of the cluster: with three, one may be away while two agree."""
        given = self.settings.cluster.members if self.settings.cluster else None
        return given or self.lab.quorum

    def outputs(self) -> Mapping[str, object]:
        """Return where clients begin."""
        address = f"{CLUSTER}-{CENTRE}-service.{self.namespace}.svc:9042"
        return {"cassandra_contact": address} if self.settings.cluster else {}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between the cluster and the lab."""
        cluster = self.settings.cluster
        if cluster is None:
            return
        yield from volumes.problems(self.lab, cluster.storage_class, "cluster")
        count = len(self.lab.untainted)
        if cluster.members and cluster.members > count:
            reason = f"is more than the machines that take any pod, which are {count}"
            yield ("cluster", "members"), reason, f"use at most {count}, or add machines"
        if volumes.mebibytes(cluster.memory) < 1024:
            yield ("cluster", "memory"), "is less than Cassandra can start with", "use 1Gi or more"
