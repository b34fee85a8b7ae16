"""Consul: encryption, servers by machines, and of which pods its webhook is asked."""

import json
from typing import Any

import pytest

from components.layers.consul import Consul
from components.platform.layer import LabContext
from tests.support.cluster_fixtures import cluster
from tests.support.layer_fixtures import LAYERS, lab, problems, values

NAME = "kubernetes.io/metadata.name"


def selector(**given: Any) -> Any:
    text = values("consul", lab(consul=given))["connectInject"]["namespaceSelector"]
    (expression,) = json.loads(text)["matchExpressions"]
    return expression


def test_everything_in_the_mesh_is_encrypted_and_asks_who_is_there() -> None:
    given = values("consul", lab(consul={}))["global"]
    assert (given["tls"], given["gossipEncryption"], given["acls"]["manageSystemACLs"]) == (
        {"enabled": True}, {"autoGenerate": True}, True,
    )  # fmt: skip


def test_webhook_is_asked_about_the_pods_of_named_namespaces_only() -> None:
    assert selector(namespaces=["shop", "blog"]) == {"key": NAME, "operator": "In", "values": ["shop", "blog"]}
    assert selector() == {"key": NAME, "operator": "DoesNotExist"}


@pytest.mark.parametrize(
    ("name", "layers", "servers", "injectors", "class_"),
    [
        ("three-servers", {"longhorn": {}}, 3, 2, "longhorn-single"),
        ("three-servers", {}, 3, 2, None),
        ("one-server", {"longhorn": {}}, 1, 1, None),
    ],
)
def test_servers_and_volumes_follow_the_machines(
    name: str, layers: Any, servers: int, injectors: int, class_: str | None
) -> None:
    given = values("consul", lab(name, **layers, consul={}))
    assert (given["server"]["replicas"], given["connectInject"]["replicas"]) == (servers, injectors)
    assert given["server"]["storageClass"] == class_


@pytest.mark.parametrize(("name", "several"), [("three-servers", True), ("one-server", False)])
def test_machines_can_be_drained(name: str, several: bool) -> None:
    given = values("consul", lab(name, consul={}))
    assert given["server"]["disruptionBudget"] == {"enabled": several}
    assert given["connectInject"]["disruptionBudget"] == {"enabled": several, "maxUnavailable": 1}


def test_proxies_keep_the_policy_that_asks_for_limits_of_memory() -> None:
    assert "memory" in values("consul", lab(consul={}))["connectInject"]["sidecarProxy"]["resources"]["limits"]


def test_guard_asks_for_the_volumes() -> None:
    assert Consul.user_data_queries == ("persistentvolumeclaims -n consul",)


@pytest.mark.parametrize("name", ["kube-system", "default", "consul", "argocd"])
def test_namespaces_of_the_system_and_of_layers_do_not_take_part(name: str) -> None:
    (report,) = problems("consul", lab(argocd={}, consul={"namespaces": ["shop", name]}))
    assert report.startswith("namespaces.1: is a system namespace")
    assert not problems("consul", lab(consul={"namespaces": ["shop"]}))


def test_without_a_class_of_volumes() -> None:
    settings = LAYERS["consul"].settings_type.model_validate({})
    found = LabContext(cluster("three-servers", k3s={"disable": ["local-storage"]}), {"consul": settings})
    assert problems("consul", found) == [
        ": has no StorageClass: local-storage and longhorn are disabled; "
        "add longhorn: {} to the platform, or set storageClass to your own StorageClass"
    ]
