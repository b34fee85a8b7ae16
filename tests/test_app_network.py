"""NetworkPolicies of an app: nothing is allowed but what is listed here."""

from typing import Any

from tests.apps import SAMPLE_APP, app, objects, run


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
    found = objects(run(SAMPLE_APP))
    assert all(each["spec"]["policyTypes"] == ["Ingress", "Egress"] for key, each in found.items() if "Policy" in key)
    deny = found["NetworkPolicy/default-deny"]
    assert (deny["spec"]["podSelector"], allowed(deny)) == ({}, ["to ns:kube-system kube-dns 53,53"])
    assert allowed(found["NetworkPolicy/shop"]) == ["from ns:traefik 9898", "to shop-db 5432"]
    assert allowed(found["NetworkPolicy/shop-acme"]) == ["from ns:traefik 8089"]
    assert allowed(found["NetworkPolicy/shop-db"]) == [
        "from shop-db 5432", "from shop 5432", "from shop-db 5432,8000", "from ns:cnpg-system 5432,8000",
        "from ns:monitoring 9187", "to shop-db 5432,8000", "to anything 6443",
    ]  # fmt: skip
    assert allowed(objects(app("shop-dev"))["NetworkPolicy/shop-dev"]) == []


def test_more_is_allowed_where_it_is_asked_for() -> None:
    found, pool = objects(app("shop-prod")), "shop-prod-db-2-pooler"
    assert allowed(found["NetworkPolicy/shop-prod"]) == [
        "from ns:traefik 9898", "from ns:monitoring 9898", "to ns:payments 8080,8443", "to 192.168.1.50/32 25",
        "to 0.0.0.0/0 *", "to ::/0 *", "to ns:tempo 4318", f"to {pool} 5432",
    ]  # fmt: skip
    assert allowed(found[f"NetworkPolicy/{pool}"]) == [
        "from shop-prod 5432", "to shop-prod-db-2 5432", "to anything 6443",
    ]  # fmt: skip
    database = allowed(found["NetworkPolicy/shop-prod-db-2"])
    assert f"from {pool} 5432" in database
    assert "from shop-prod 5432" not in database, "only the pool connects"
    assert "to anything 9000" in database, "the object store"
