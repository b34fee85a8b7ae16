"""Traefik: its address, certificate, routes and dashboard."""

from typing import Any

import pytest

from components.settings.model import SecretRef
from tests.support.layer_fixtures import CLOUDFLARE, HTTP, POOL, lab, layer, objects, problems, values


def test_traefik_has_the_first_address_and_a_certificate_for_the_domain() -> None:
    found = lab(metallb=POOL, certManager={}, traefik={})
    given = values("traefik", found)
    assert given["service"] == {
        "annotations": {"metallb.io/loadBalancerIPs": "10.0.0.200"},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
    }
    entry = {"to": "websecure", "scheme": "https", "permanent": True}
    assert given["ports"] == {"web": {"http": {"redirections": {"entryPoint": entry}}}}
    assert given["ingressClass"] == {"enabled": True, "isDefaultClass": True, "name": "traefik"}
    assert given["api"] == {"dashboard": False}
    made = objects("traefik", found)
    assert set(made) == {("Certificate", "wildcard"), ("TLSStore", "default")}
    certificate = made["Certificate", "wildcard"]
    assert certificate["dnsNames"] == ["lab.example.com", "*.lab.example.com"]
    assert certificate["issuerRef"] == {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "ca"}
    assert made["TLSStore", "default"] == {"defaultCertificate": {"secretName": certificate["secretName"]}}
    assert layer("traefik", found).outputs()["ingress_address"] == "10.0.0.200"
    assert not layer("traefik", found).objects_before_charts()
    assert not problems("traefik", found)


def test_traefik_alone() -> None:
    found = lab(traefik={})
    assert values("traefik", found)["service"]["annotations"] == {}
    assert objects("traefik", found) == {}
    outputs = layer("traefik", found).outputs()
    assert (outputs["ingress_address"], outputs["ingress_traffic_policy"]) == (None, "Local")
    assert not problems("traefik", found)


def test_traefik_at_the_nodes_own_addresses() -> None:
    found = lab("cluster-options", traefik={})
    assert values("traefik", found)["service"]["spec"]["externalTrafficPolicy"] == "Cluster"
    assert layer("traefik", found).outputs()["ingress_traffic_policy"] == "Cluster", "clients' addresses are hidden"
    own = lab("cluster-options", traefik={"externalTrafficPolicy": "Local", "address": "10.0.0.9"})
    assert values("traefik", own)["service"]["spec"]["externalTrafficPolicy"] == "Local"
    assert layer("traefik", own).outputs()["ingress_traffic_policy"] == "Cluster"
    assert problems("traefik", own) == [
        "address: has no effect: with k3s.servicelb, Traefik has the nodes' addresses; remove it"
    ]


def test_traefik_with_everything() -> None:
    dashboard = {"host": "see.lab.org", "user": "me", "password": {"secret": "seen"}}
    given = {
        "address": "192.168.7.9",
        "externalTrafficPolicy": "Cluster",
        "httpsOnly": False,
        "defaultClass": False,
        "certificate": None,
        "defaultRoute": "https://www.lab.org/",
        "dashboard": dashboard,
    }
    further = {"routed": {"addresses": ["192.168.7.0/24"]}}
    found = lab(metallb=POOL | {"pools": further}, certManager={}, traefik=given)
    said = values("traefik", found)
    assert said["service"]["annotations"] == {"metallb.io/loadBalancerIPs": "192.168.7.9"}
    assert said["service"]["spec"]["externalTrafficPolicy"] == "Cluster"
    assert layer("traefik", found).outputs()["ingress_traffic_policy"] == "Cluster"
    assert said["ports"]["web"]["http"]["redirections"]["entryPoint"] == {}
    assert said["ingressClass"]["isDefaultClass"] is False
    assert said["api"] == {"dashboard": True}
    made = objects("traefik", found)
    assert made["Middleware", "dashboard"]["basicAuth"]["secret"] == "dashboard"
    (route,) = made["IngressRoute", "dashboard"]["routes"]
    assert (route["match"], route["middlewares"]) == ("Host(`see.lab.org`)", [{"name": "dashboard"}])
    (route,) = made["IngressRoute", "default-route"]["routes"]
    assert (route["match"], route["priority"]) == ("PathPrefix(`/`) && !Host(`www.lab.org`)", 1)
    assert made["Middleware", "default-route"]["redirectRegex"]["replacement"] == "https://www.lab.org"
    assert not {kind for kind, _ in made} & {"Certificate", "TLSStore"}
    (secret,) = layer("traefik", found).objects_before_charts()
    assert secret["stringData"] == {"username": "me", "password": SecretRef(secret="seen")}
    assert not problems("traefik", found)


def test_only_traefiks_own_namespace_reaches_the_dashboard_without_a_password() -> None:
    ours = values("traefik", lab(traefik={}))["providers"]["kubernetesCRD"]
    assert ours == {"crossProviderNamespaces": ["traefik"], "defaultTLSResourcesNamespace": "traefik"}


@pytest.mark.parametrize(
    ("manager", "issuer"),
    [
        ({"acme": CLOUDFLARE}, "letsencrypt"),
        ({"acme": CLOUDFLARE | {"server": "staging"}}, "letsencrypt-staging"),
        ({"acme": HTTP}, None),
        ({"acme": HTTP, "ca": {}}, "ca"),
    ],
)
def test_issuer_of_the_wildcard_is_the_first_that_can(manager: dict[str, Any], issuer: str | None) -> None:
    certificate = objects("traefik", lab(certManager=manager, traefik={})).get(("Certificate", "wildcard"))
    assert (certificate["issuerRef"]["name"] if certificate else None) == issuer


@pytest.mark.parametrize(
    ("given", "beside", "report"),
    [
        (
            {"address": "10.0.0.230"},
            {"metallb": POOL},
            "address: is not in any pool of metallb; choose an address in a pool, or add it to a pool",
        ),
        (
            {"address": "fd00::1"},
            {"metallb": POOL},
            "address: is not an IPv4 address, but network.services uses IPv4; choose an IPv4 address",
        ),
        (
            {"address": "10.0.0.230"},
            {},
            "address: needs metallb, which is disabled; add metallb with a pool that contains it",
        ),
        (
            {},
            {"metallb": {"addresses": ["fd00::/120"]}},
            "address: is missing: the default pool of metallb has no IPv4 address; "
            "add addresses to metallb, or choose an address of another pool",
        ),
        (
            {"certificate": {"issuer": "ca"}},
            {},
            "certificate.issuer: needs certManager, which is disabled; add certManager: {} next to traefik",
        ),
        (
            {"certificate": {"issuer": "cb"}},
            {"certManager": {}},
            "certificate.issuer: is not an issuer of certManager; use one of: ca",
        ),
        (
            {"certificate": {"issuer": "letsencrypt"}},
            {"certManager": {"acme": HTTP}},
            "certificate.issuer: cannot issue wildcard certificates, because acme.http01 does not support wildcards; "
            "use acme.route53, acme.cloudflare, acme.rfc2136 or acme.webhook, or the issuer ca",
        ),
    ],
)
def test_traefik_that_does_not_fit_is_reported(given: dict[str, Any], beside: dict[str, Any], report: str) -> None:
    assert problems("traefik", lab(**beside, traefik=given)) == [report]
