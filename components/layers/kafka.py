"""Kafka, an event streaming system that the Strimzi operator manages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import volumes
from components.platform.layer import Layer, resources, topology_spread, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel
from components.settings.kubernetes_fields import Size
from components.settings.model import Model

CLUSTER = "lab"
_API_VERSION = "kafka.strimzi.io/v1"


class KafkaClusterSettings(Model):
    """Settings of a Kafka cluster in which every member is both broker and controller.

    Every pod in the cluster can read and write all Kafka topics.
    """

    members: Literal[1, 3] | None = None
    """Number of Kafka members, each on a different node. The number of members cannot change after the first
    installation. Default: 3, or 1 if the cluster has fewer than 3 untainted nodes."""
    size: Size = "10Gi"
    """Volume size of each member."""
    storage_class: DnsLabel | None = None
    """StorageClass of the volumes. Default: `longhorn-single` with the layer longhorn and three members, otherwise the
    cluster's default StorageClass."""
    memory: Size = "1Gi"
    """Memory of each Kafka member. Kafka's Java heap uses half of a member's memory."""


class KafkaSettings(Model):
    """Settings of Kafka. The Strimzi operator manages the `Kafka` resources in all namespaces."""

    cluster: KafkaClusterSettings | None = None
    """Kafka cluster `lab` in the namespace `kafka`. Default: none, so homelab installs only the Strimzi operator."""


class Kafka(Layer[KafkaSettings]):
    """Layer for the Strimzi operator and, if the stack file describes one, a Kafka cluster."""

    key = "kafka"
    settings_type = KafkaSettings
    namespace = "kafka"
    installs_after = ("longhorn",)
    charts_with_crds_folder = ("strimzi-kafka-operator",)
    user_data = "Kafka clusters"
    user_data_queries = ("kafkas.kafka.strimzi.io -A", "persistentvolumeclaims -A -l strimzi.io/kind=Kafka")

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the Strimzi operator, with a standby replica if the cluster has several nodes."""
        operator: dict[str, Json] = {
            "replicas": self.lab.replicas(2),
            "watchAnyNamespace": True,
            "resources": uncapped_resources("100m", "384Mi"),
            "topologySpreadConstraints": topology_spread({"name": "strimzi-cluster-operator"}),
        }
        return {"strimzi-kafka-operator": operator}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Kafka cluster, and the PodMonitors that collect its metrics."""
        return [*self._cluster(), *(self._monitors() if self.has_monitoring else ())]

    def _cluster(self) -> Iterator[Manifest]:
        cluster = self.settings.cluster
        if cluster is None:
            return
        labels = {"strimzi.io/cluster": CLUSTER}
        volume: dict[str, Json] = {"id": 0, "type": "persistent-claim", "size": cluster.size, "kraftMetadata": "shared"}
        if storage_class := volumes.storage_class_for(self.lab, cluster.storage_class, self.members):
            volume["class"] = storage_class
        pool = {
            "replicas": self.members,
            "roles": ["controller", "broker"],
            "storage": {"type": "jbod", "volumes": [volume]},
            "resources": resources("200m", cluster.memory),
            "template": {
                "pod": {"topologySpreadConstraints": topology_spread(labels | {"strimzi.io/pool-name": "member"})}
            },
        }
        yield {
            "apiVersion": _API_VERSION,
            "kind": "KafkaNodePool",
            "metadata": self.metadata("member", labels=labels),
            "spec": pool,
        }
        yield {"apiVersion": _API_VERSION, "kind": "Kafka", "metadata": self.metadata(CLUSTER), "spec": self._kafka()}

    def _kafka(self) -> Json:
        in_sync = max(1, self.members - 1)  # number of members that must confirm a write: one member may be down
        config = {
            "default.replication.factor": self.members,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": self.members,
            "transaction.state.log.replication.factor": self.members,
            "transaction.state.log.min.isr": in_sync,
        }
        listeners = [
            {"name": "plain", "port": 9092, "type": "internal", "tls": False},
            {"name": "tls", "port": 9093, "type": "internal", "tls": True},
        ]
        metrics = {"metricsConfig": {"type": "strimziMetricsReporter"}} if self.has_monitoring else {}
        # once the Strimzi operator is gone, the finalizers of KafkaTopics would block the deletion of the namespace
        environment = [{"name": "STRIMZI_USE_FINALIZERS", "value": "false"}]
        return {
            "kafka": {"listeners": listeners, "config": config, **metrics},
            "entityOperator": {
                "topicOperator": {"resources": resources("25m", "256Mi")},
                "template": {"topicOperatorContainer": {"env": environment}},
            },
        }

    def _monitors(self) -> Iterator[Manifest]:
        for kind, port in (("cluster-operator", "http"), ("Kafka", "tcp-prometheus")):
            spec = {
                "namespaceSelector": {"any": True},
                "selector": {"matchLabels": {"strimzi.io/kind": kind}},
                "podMetricsEndpoints": [{"path": "/metrics", "port": port}],
            }
            name = f"strimzi-{kind.lower()}"
            yield {
                "apiVersion": "monitoring.coreos.com/v1",
                "kind": "PodMonitor",
                "metadata": self.metadata(name),
                "spec": spec,
            }

    @property
    def members(self) -> int:
        """Number of Kafka members: one or three. Two members would lose quorum if one member failed."""
        configured = self.settings.cluster.members if self.settings.cluster else None
        return configured or self.lab.quorum_size

    def outputs(self) -> Mapping[str, object]:
        """Return the bootstrap address for Kafka clients, as a stack output."""
        address = f"{CLUSTER}-kafka-bootstrap.{self.namespace}.svc:9092"
        return {"kafka_bootstrap": address} if self.settings.cluster else {}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the Kafka cluster's StorageClass and number of members."""
        cluster = self.settings.cluster
        if cluster is None:
            return
        yield from volumes.findings(self.lab, cluster.storage_class, "cluster")
        yield from volumes.member_findings(self.lab, cluster.members, "use 1, or add nodes")
