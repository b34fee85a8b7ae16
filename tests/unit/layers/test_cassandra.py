"""Cassandra: members by machines, volumes that stay, memory, metrics."""

from typing import Any

import pytest

from components.layers.cassandra import Cassandra
from components.platform.layer import LabContext
from components.settings.model import Model
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import LAYERS, lab, layer, objects, problems, values


def cassandra(found: LabContext) -> Any:
    return objects("cassandra", found)["K8ssandraCluster", "lab"]["cassandra"]


def test_operators_alone_make_no_cluster_and_serve_all_namespaces() -> None:
    found = lab(certManager={}, cassandra={})
    given = values("cassandra", found)
    assert given["global"] == {"clusterScoped": True}
    assert given["replicaCount"] == given["cass-operator"]["replicaCount"] == 1, "they elect no leader"
    assert not layer("cassandra", found).objects_after_charts()
    assert not layer("cassandra", found).outputs()


@pytest.mark.parametrize(
    ("name", "given", "members", "class_"),
    [
        ("three-servers", {}, 3, "longhorn-single"),
        ("three-servers", {"members": 5}, 5, "longhorn-single"),
        ("three-servers", {"members": 1}, 1, None),
        ("three-servers", {"storageClass": "fast"}, 3, "fast"),
        ("one-server", {}, 1, None),
    ],
)
def test_members_follow_the_machines_and_volumes_the_members(
    name: str, given: Any, members: int, class_: str | None
) -> None:
    found = cassandra(lab(name, longhorn={}, cassandra={"cluster": given}))
    assert found["datacenters"][0]["size"] == members
    assert found["storageConfig"]["cassandraDataVolumeClaimSpec"].get("storageClassName") == class_
    assert found["softPodAntiAffinity"] is False


def test_volumes_outlive_the_cluster_and_the_guard_finds_them() -> None:
    (centre,) = cassandra(lab(cassandra={"cluster": {}}))["datacenters"]
    assert centre["metadata"]["annotations"] == {"cassandra.datastax.com/delete-pvc": "false"}
    assert "persistentvolumeclaims -A -l app.kubernetes.io/managed-by=cass-operator" in Cassandra.user_data_queries


@pytest.mark.parametrize(("memory", "heap"), [("2Gi", "1024Mi"), ("1500Mi", "750Mi")])
def test_heap_is_half_of_the_memory(memory: str, heap: str) -> None:
    found = cassandra(lab(cassandra={"cluster": {"memory": memory}}))
    assert found["config"]["jvmOptions"]["heapSize"] == heap
    assert found["resources"]["limits"]["memory"] == memory


def test_metrics_are_read_where_there_is_a_reader() -> None:
    alone = lab(cassandra={"cluster": {}})
    assert "telemetry" not in cassandra(alone)
    watched = LabContext(alone.cluster, {**alone.layers, "monitoring": Model()})
    assert cassandra(watched)["telemetry"] == {"prometheus": {"enabled": True}}


@pytest.mark.parametrize(
    ("k3s", "given", "report"),
    [
        (
            {},
            {"members": 6},
            "cluster.members: exceeds the number of untainted nodes (5); use at most 5, or add nodes",
        ),
        ({}, {"memory": "512Mi"}, "cluster.memory: is too little for Cassandra to start; use 1Gi or more"),
        (
            {"disable": ["local-storage"]},
            {},
            "cluster: has no StorageClass: local-storage and longhorn are disabled; "
            "add longhorn: {} to the platform, or set storageClass to your own StorageClass",
        ),
    ],
)
def test_what_is_wrong_is_reported(k3s: Any, given: Any, report: str) -> None:
    settings = LAYERS["cassandra"].settings_type.model_validate({"cluster": given})
    found = LabContext(cluster("three-servers", **({"k3s": k3s} if k3s else {})), {"cassandra": settings})
    assert problems("cassandra", found) == [report]
