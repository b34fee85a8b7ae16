"""NetworkPolicies of an app: nothing is allowed but what is listed here."""

import gc
from typing import Any

import pulumi
import pytest

from tests.support.app_stacks import APPS, OUTPUTS, SAMPLE_APP, STORE, objects, run_app, run_fixture
from tests.support.envelopes import sealed
from tests.support.settings_fixtures import ROOT


def allowed(policy: Any) -> list[str]:
    """The rules of a policy, in one line each."""
    lines = []
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"][direction]:
            ports = ",".join(str(int(each["port"])) for each in rule.get("ports", ())) or "*"
            lines += [f"{peers} {named(each)} {ports}" for each in rule.get(peers, [{}])]
    return lines


def named(peer: Any) -> str:
    parts = []
    if "namespaceSelector" in peer:
        parts.append(f"ns:{peer['namespaceSelector']['matchLabels']['kubernetes.io/metadata.name']}")
    if "podSelector" in peer:
        parts += peer["podSelector"]["matchLabels"].values()
    if "ipBlock" in peer:
        parts.append(peer["ipBlock"]["cidr"])
    return " ".join(parts) or "anything"


def test_nothing_is_allowed_but_what_is_needed() -> None:
    found = objects(run_app(SAMPLE_APP))
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for key, each in found.items() if "Policy" in key)
    deny = found["NetworkPolicy/default-deny"]
    assert (deny["spec"]["podSelector"], allowed(deny)) == ({}, ["to ns:kube-system kube-dns 53,53"])
    assert allowed(found["NetworkPolicy/shop"]) == ["from ns:traefik 9898", "to shop-db 5432"]
    assert allowed(found["NetworkPolicy/shop-acme"]) == ["from ns:traefik 8089"]
    assert allowed(found["NetworkPolicy/shop-db"]) == [
        "from shop-db 5432", "from shop 5432", "from shop-job 5432", "from shop-db 5432,8000",
        "from ns:cnpg-system 5432,8000", "from ns:monitoring 9187", "to shop-db 5432,8000",
        "to 10.0.0.11/32 6443", "to fd00::12/128 6443",
    ]  # fmt: skip
    assert allowed(objects(run_fixture("shop-dev"))["NetworkPolicy/shop-dev"]) == []


def test_more_is_allowed_where_it_is_asked_for() -> None:
    found, pool = objects(run_fixture("shop-prod")), "shop-prod-db-2-pooler"
    assert allowed(found["NetworkPolicy/shop-prod"]) == [
        "from ns:traefik 9898", "from ns:monitoring 9898", "from ns:monitoring 9797", "to ns:payments 8080,8443",
        "to 192.168.1.50/32 25", "to 0.0.0.0/0 *", "to ::/0 *", "to ns:tempo 4318", f"to {pool} 5432",
    ]  # fmt: skip
    assert allowed(found[f"NetworkPolicy/{pool}"]) == [
        "from shop-prod 5432", "from shop-prod-job 5432", "to shop-prod-db-2 5432", "to 10.0.0.11/32 6443",
        "to fd00::12/128 6443",
    ]  # fmt: skip
    database = allowed(found["NetworkPolicy/shop-prod-db-2"])
    assert f"from {pool} 5432" in database
    assert "from shop-prod 5432" not in database, "only the pool connects"
    assert not [each for each in database if "anything" in each]


def stored(endpoint: str) -> list[Any]:
    """What the database of an app with backups may reach besides itself and the API."""
    outputs = OUTPUTS | {"databaseBackup": sealed(STORE | {"endpoint": endpoint})}
    found = objects(run_app(ROOT / "tests/settings/apps/shop-prod.yaml", outputs))
    egress: list[Any] = found["NetworkPolicy/shop-prod-db-2"]["spec"]["egress"]
    return egress[2:]


@pytest.mark.parametrize(
    ("endpoint", "peer", "port"),
    [
        ("http://seaweedfs-s3.seaweedfs.svc:8333", "ns:seaweedfs", 8333),
        ("http://minio.store.svc.cluster.local.:9000", "ns:store", 9000),
        ("https://192.168.1.50:9000", "192.168.1.50/32", 9000),
        ("http://192.168.1.50", "192.168.1.50/32", 80),
        ("https://[fd00::50]", "fd00::50/128", 443),
    ],
)
def test_the_object_store_is_reached_where_it_is(endpoint: str, peer: str, port: int) -> None:
    ((rule),) = stored(endpoint)
    assert ([named(each) for each in rule["to"]], rule["ports"]) == ([peer], [{"protocol": "TCP", "port": port}])


def test_a_store_with_a_name_is_outside_of_the_cluster() -> None:
    """Whatever its address: a policy knows no names."""
    (rule,) = stored("https://s3.lan:9000")
    assert rule["ports"] == [{"protocol": "TCP", "port": 9000}]
    four, six = (each["ipBlock"] for each in rule["to"])
    assert four == {"cidr": "0.0.0.0/0", "except": ["10.42.0.0/16", "10.43.0.0/16", "127.0.0.0/8", "169.254.0.0/16"]}
    assert six == {"cidr": "::/0", "except": ["fd42::/56", "fd43::/112", "fe80::/10"]}


def test_amazons_store_is_on_the_internet() -> None:
    (rule,) = stored("https://s3.eu-central-1.amazonaws.com")
    assert "192.168.0.0/16" in rule["to"][0]["ipBlock"]["except"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]


def test_without_backups_no_store_is_reached() -> None:
    assert len(objects(run_app(SAMPLE_APP))["NetworkPolicy/shop-db"]["spec"]["egress"]) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_platform_without_servers_opens_nothing() -> None:
    """An empty list of destinations would be all of them."""
    with pytest.raises(pulumi.RunError, match="the platform's outputs list no server"):
        run_app(SAMPLE_APP, OUTPUTS | {"nodes": []})
    gc.collect()


def test_no_rule_of_a_database_is_for_every_address() -> None:
    for each in APPS:
        for key, policy in objects(run_app(each)).items():
            if key.startswith("NetworkPolicy/") and "db" in key:
                assert all(rule["to"] for rule in policy["spec"]["egress"]), key
