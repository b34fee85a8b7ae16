"""Kafka: members by machines, what a write needs, volumes, metrics."""

from typing import Any

import pytest

from components.layers.kafka import Kafka
from components.platform.layer import LabContext
from components.settings.model import Model
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import LAYERS, lab, layer, objects, problems, values


def test_operator_alone_makes_no_cluster_and_serves_all_namespaces() -> None:
    found = lab(kafka={})
    assert values("kafka", found)["watchAnyNamespace"] is True
    assert not layer("kafka", found).objects_after_charts()
    assert not layer("kafka", found).outputs()


@pytest.mark.parametrize(
    ("name", "given", "members", "insync"),
    [("three-servers", {}, 3, 2), ("one-server", {}, 1, 1), ("three-servers", {"members": 1}, 1, 1)],
)
def test_members_follow_the_machines_and_one_of_three_may_be_away(
    name: str, given: Any, members: int, insync: int
) -> None:
    found = objects("kafka", lab(name, kafka={"cluster": given}))
    assert found["KafkaNodePool", "member"]["replicas"] == members
    config = found["Kafka", "lab"]["kafka"]["config"]
    assert {config[key] for key in config if "replication" in key} == {members}
    assert {config[key] for key in config if "replication" not in key} == {insync}


@pytest.mark.parametrize(
    ("name", "layers", "given", "class_"),
    [
        ("three-servers", {"longhorn": {}}, {}, "longhorn-single"),
        ("three-servers", {}, {}, None),
        ("one-server", {"longhorn": {}}, {}, None),
        ("three-servers", {"longhorn": {}}, {"storageClass": "fast"}, "fast"),
    ],
)
def test_only_one_that_copies_itself_has_volumes_without_copies(
    name: str, layers: Any, given: Any, class_: str | None
) -> None:
    pool = objects("kafka", lab(name, **layers, kafka={"cluster": given}))["KafkaNodePool", "member"]
    assert pool["storage"]["volumes"][0].get("class") == class_


def test_members_are_spread_by_the_labels_that_the_operator_gives_them() -> None:
    pool = objects("kafka", lab(kafka={"cluster": {}}))["KafkaNodePool", "member"]
    (constraint,) = pool["template"]["pod"]["topologySpreadConstraints"]
    assert constraint["labelSelector"]["matchLabels"] == {"strimzi.io/cluster": "lab", "strimzi.io/pool-name": "member"}


def test_metrics_are_read_where_there_is_a_reader() -> None:
    alone = lab(kafka={"cluster": {}})
    watched = LabContext(alone.cluster, {**alone.layers, "monitoring": Model()})
    assert "metricsConfig" not in objects("kafka", alone)["Kafka", "lab"]["kafka"]
    found = objects("kafka", watched)
    assert found["Kafka", "lab"]["kafka"]["metricsConfig"] == {"type": "strimziMetricsReporter"}
    assert {kind for kind, _ in found} == {"Kafka", "KafkaNodePool", "PodMonitor"}


def test_guard_asks_for_clusters_and_for_volumes_of_clusters_that_are_gone() -> None:
    assert Kafka.user_data_queries == (
        "kafkas.kafka.strimzi.io -A",
        "persistentvolumeclaims -A -l strimzi.io/kind=Kafka",
    )


@pytest.mark.parametrize(
    ("name", "k3s", "given", "report"),
    [
        (
            "one-server",
            {},
            {"members": 3},
            "cluster.members: exceeds the number of untainted nodes (1); use 1, or add nodes",
        ),
        (
            "three-servers",
            {"disable": ["local-storage"]},
            {},
            "cluster: has no StorageClass: local-storage and longhorn are disabled; "
            "add longhorn: {} to the platform, or set storageClass to your own StorageClass",
        ),
    ],
)
def test_what_is_wrong_is_reported(name: str, k3s: Any, given: Any, report: str) -> None:
    settings = LAYERS["kafka"].settings_type.model_validate({"cluster": given})
    found = LabContext(cluster(name, **({"k3s": k3s} if k3s else {})), {"kafka": settings})
    assert problems("kafka", found) == [report]
    operator = LAYERS["kafka"].settings_type.model_validate({})
    assert problems("kafka", LabContext(found.cluster, {"kafka": operator})) == []
