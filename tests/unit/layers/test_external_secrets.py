"""external-secrets: its stores, the keys to them, and what must not be lost with it."""

from typing import Any

import pytest

from components.layers.external_secrets.layer import ExternalSecrets
from components.settings.model import SecretRef
from tests.support.layer_fixtures import lab, layer, objects, problems, values

KEYS: dict[str, Any] = {"accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
AWS: dict[str, Any] = {"secretsManager": {"region": "eu-central-1", **KEYS}}
VAULT: dict[str, Any] = {"server": "https://vault.lan:8200"}


def stores(**given: Any) -> Any:
    return lab(externalSecrets={"stores": given})


@pytest.mark.parametrize(("name", "replicas"), [("three-servers", 2), ("one-server", 1)])
def test_copies_follow_the_machines(name: str, replicas: int) -> None:
    given = values("externalSecrets", lab(name, externalSecrets={}))
    assert (given["replicaCount"], given["webhook"]["replicaCount"]) == (replicas, replicas)
    assert given["leaderElect"] is given["podDisruptionBudget"]["enabled"] is (replicas > 1)


def test_keys_stand_in_secrets_and_stores_name_them() -> None:
    found = stores(aws=AWS, vault={"vault": VAULT | {"token": {"secret": "token"}}})
    secrets = {
        each["metadata"]["name"]: each["stringData"] for each in layer("externalSecrets", found).objects_before_charts()
    }
    assert secrets == {
        "store-aws": {"accessKey": SecretRef(secret="id"), "secretKey": SecretRef(secret="key")},
        "store-vault": {"token": SecretRef(secret="token")},
    }
    made = objects("externalSecrets", found)
    provider = made["ClusterSecretStore", "aws"]["provider"]["aws"]
    named = [*provider["auth"]["secretRef"].values()]
    named.append(made["ClusterSecretStore", "vault"]["provider"]["vault"]["auth"]["tokenSecretRef"])
    for each in named:
        assert each["namespace"] == "external-secrets", "a store of the cluster must say where its keys are"
        assert each["key"] in secrets[each["name"]]


@pytest.mark.parametrize(
    ("setting", "service"), [("secretsManager", "SecretsManager"), ("parameterStore", "ParameterStore")]
)
def test_services_of_aws(setting: str, service: str) -> None:
    found = stores(aws={setting: {"region": "eu-west-1"}})
    provider = {"aws": {"service": service, "region": "eu-west-1"}}
    assert objects("externalSecrets", found) == {("ClusterSecretStore", "aws"): {"provider": provider}}
    assert not layer("externalSecrets", found).objects_before_charts()


def test_a_role_of_vault_is_taken_with_the_account_of_the_controller() -> None:
    found = stores(vault={"vault": VAULT | {"kubernetesRole": "apps", "path": "kv"}})
    (made,) = objects("externalSecrets", found).values()
    assert made["provider"]["vault"]["path"] == "kv"
    assert made["provider"]["vault"]["auth"] == {
        "kubernetes": {
            "mountPath": "kubernetes",
            "role": "apps",
            "serviceAccountRef": {"name": "external-secrets", "namespace": "external-secrets"},
        }
    }
    assert not layer("externalSecrets", found).objects_before_charts()


def test_the_vault_of_the_lab_is_asked_where_no_other_is_named() -> None:
    given = {"stores": {"inside": {"vault": {"kubernetesRole": "apps"}}}}
    found = lab(certManager={}, vault={}, externalSecrets=given)
    (made,) = objects("externalSecrets", found).values()
    assert made["provider"]["vault"]["server"] == "https://vault-active.vault.svc:8200"
    authority = made["provider"]["vault"]["caProvider"]
    (certificate,) = (spec for (kind, _), spec in objects("vault", found).items() if kind == "Certificate")
    assert (authority["namespace"], authority["name"]) == ("vault", certificate["secretName"])
    assert "vault-active.vault.svc" in certificate["dnsNames"]
    assert not problems("externalSecrets", found)


def test_apps_learn_of_the_stores() -> None:
    assert layer("externalSecrets", stores(b=AWS, a=AWS)).outputs() == {"secret_stores": ["b", "a"]}


def test_secrets_that_would_go_with_it_are_guarded() -> None:
    assert values("externalSecrets", stores())["installCRDs"] is True
    assert ExternalSecrets.user_data_queries[0] == "externalsecrets.external-secrets.io -A"


@pytest.mark.parametrize(
    ("store", "report"),
    [
        ({}, ": needs exactly one of secretsManager, parameterStore and vault; add one, or keep one of them"),
        (
            AWS | {"vault": VAULT | {"token": {"secret": "token"}}},
            ": needs exactly one of secretsManager, parameterStore and vault; add one, or keep one of them",
        ),
        (
            {"parameterStore": {"region": "eu-west-1", "accessKey": {"secret": "id"}}},
            ".parameterStore: needs both accessKey and secretKey, or neither; "
            "set both keys, or remove both keys to use the machines' instance role",
        ),
        ({"vault": VAULT}, ".vault: needs exactly one of token and kubernetesRole; add one, or keep one of them"),
        (
            {"vault": VAULT | {"token": {"secret": "token"}, "kubernetesRole": "apps"}},
            ".vault: needs exactly one of token and kubernetesRole; add one, or keep one of them",
        ),
        (
            {"vault": {"kubernetesRole": "apps"}},
            ".vault.server: is missing, and the lab has no Vault; set it, or add vault: {} to the platform",
        ),
    ],
)
def test_what_is_wrong_is_reported(store: Any, report: str) -> None:
    assert problems("externalSecrets", stores(one=store)) == [f"stores.one{report}"]
