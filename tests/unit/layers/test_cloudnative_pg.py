"""CloudNativePG: the operator, its plugin, and the object store that apps learn of."""

import pytest

from components.layers.cloudnative_pg import CloudNativePG
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from tests.support.layer_fixtures import lab, layer


@pytest.mark.parametrize(("name", "replicas"), [("three-servers", 2), ("one-server", 1)])
def test_the_plugin_comes_after_the_operator(name: str, replicas: int) -> None:
    given = layer("cloudnativePg", lab(name, certManager={}, cloudnativePg={})).values()
    assert list(given) == ["cloudnative-pg", "plugin-barman-cloud"]
    assert given["cloudnative-pg"]["replicaCount"] == replicas
    assert given["cloudnative-pg"]["config"] == {"clusterWide": True}
    assert given["plugin-barman-cloud"]["replicaCount"] == replicas


def test_each_replica_of_the_plugin_answers_the_operator() -> None:
    values = layer("cloudnativePg", lab(certManager={}, cloudnativePg={})).values()["plugin-barman-cloud"]
    assert values["additionalArgs"] == ["--leader-elect=false"], "without it, only the leader becomes ready"
    (spread,) = values["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": {"app.kubernetes.io/name": "plugin-barman-cloud"}}


def test_a_replica_of_the_plugin_leaves_a_failed_node_at_once() -> None:
    values = layer("cloudnativePg", lab(certManager={}, cloudnativePg={})).values()
    tolerations = {each["key"]: each["tolerationSeconds"] for each in values["plugin-barman-cloud"]["tolerations"]}
    assert tolerations == {"node.kubernetes.io/not-ready": 5, "node.kubernetes.io/unreachable": 5}
    assert "tolerations" not in values["cloudnative-pg"], "the operator's second replica takes over"


def test_needs_certificates_and_guards_databases() -> None:
    assert CloudNativePG.requires == ("certManager",)
    assert (CloudNativePG.user_data, CloudNativePG.user_data_queries) == (
        "databases",
        ("clusters.postgresql.cnpg.io -A",),
    )


def test_monitors_are_on_where_something_reads_them() -> None:
    found = lab(certManager={}, cloudnativePg={})
    for on, layers in ((False, found.layers), (True, {**found.layers, "monitoring": found.layers["certManager"]})):
        given = layer("cloudnativePg", LabContext(found.cluster, layers)).values()["cloudnative-pg"]
        assert given["monitoring"] == {"podMonitorEnabled": on}


def test_without_backup_there_is_no_object_store() -> None:
    found = layer("cloudnativePg", lab(certManager={}, cloudnativePg={}))
    assert found.outputs() == {"database_operator": "cnpg-system", "database_backup": None}
    assert not found.objects_before_charts()
    assert not found.objects_after_charts()


@pytest.mark.parametrize(
    ("given", "endpoint", "path"),
    [
        ({"region": "eu-central-1"}, "https://s3.eu-central-1.amazonaws.com", ""),
        ({"endpoint": "https://nas.lan:9000", "path": "lab/pg"}, "https://nas.lan:9000", "lab/pg"),
    ],
)
def test_apps_learn_of_the_object_store(given: dict[str, str], endpoint: str, path: str) -> None:
    store = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}} | given
    found = layer("cloudnativePg", lab(certManager={}, cloudnativePg={"backup": store}))
    assert found.outputs()["database_backup"] == {
        "endpoint": endpoint,
        "bucket": "lab",
        "region": given.get("region", "us-east-1"),
        "path": path,
        "accessKey": SecretRef(secret="id"),
        "secretKey": SecretRef(secret="key"),
    }
