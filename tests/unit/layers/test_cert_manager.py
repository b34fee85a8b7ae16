"""cert-manager: its issuers, how names are proved, and what is wrong with that."""

from typing import Any

import pytest
from pydantic import ValidationError

from components.kubernetes.chart import Chart
from components.layers.cert_manager.layer import CertManagerSettings
from components.settings.model import SecretRef
from stacks import stackfile
from stacks.homelab import chart_values_of, charts_of
from stacks.settings import LabStack, SettingsError
from tests.support.layer_fixtures import CLOUDFLARE, HTTP, lab, layer, objects, problems, values
from tests.support.settings_fixtures import ROOT


def test_certificates_come_from_an_authority_of_the_lab_by_default() -> None:
    found = lab(certManager={})
    made = objects("certManager", found)
    assert made["ClusterIssuer", "ca"] == {"ca": {"secretName": "ca"}}
    authority = made["Certificate", "ca"]
    assert (authority["isCA"], authority["secretName"], authority["commonName"]) == (True, "ca", "lab CA")
    assert made["ClusterIssuer", authority["issuerRef"]["name"]] == {"selfSigned": {}}
    assert layer("certManager", found).outputs() == {"issuers": ["ca"], "issuer": "ca", "wildcard_issuers": ["ca"]}
    assert not problems("certManager", found)


def test_route53_with_keys() -> None:
    keys = {"accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}
    route53 = {"region": "eu-central-1", "hostedZoneId": "Z1"} | keys
    given = {
        "email": "me@lab.org",
        "server": "staging",
        "route53": route53,
        "nameservers": ["1.1.1.1", "[fd00::53]", "dns:54"],
    }
    found = lab(certManager={"acme": given, "ca": {"commonName": "Home"}})
    made = objects("certManager", found)
    solver = made["ClusterIssuer", "letsencrypt-staging"]["acme"]["solvers"][0]["dns01"]["route53"]
    assert solver == {
        "region": "eu-central-1",
        "hostedZoneID": "Z1",
        "accessKeyIDSecretRef": {"name": "route53", "key": "accessKey"},
        "secretAccessKeySecretRef": {"name": "route53", "key": "secretKey"},
    }
    (secret,) = layer("certManager", found).objects_before_charts()
    assert secret["metadata"] == {"name": "route53", "namespace": "cert-manager"}
    assert secret["stringData"] == {"accessKey": SecretRef(secret="id"), "secretKey": SecretRef(secret="key")}
    asked = values("certManager", found)
    assert asked["dns01RecursiveNameservers"] == "1.1.1.1:53,[fd00::53]:53,dns:54"
    assert asked["dns01RecursiveNameserversOnly"] is True
    assert made["Certificate", "ca"]["commonName"] == "Home"
    issuers = ["letsencrypt-staging", "letsencrypt", "ca"]
    outputs = {"issuers": issuers, "issuer": "letsencrypt-staging", "wildcard_issuers": issuers}
    assert layer("certManager", found).outputs() == outputs


def test_route53_with_the_rights_of_the_machines() -> None:
    found = lab(certManager={"acme": {"email": "me@lab.org", "route53": {"region": "eu-central-1"}}})
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt"]["acme"]
    assert account["solvers"] == [{"dns01": {"route53": {"region": "eu-central-1"}}}]
    assert account["server"] == "https://acme-v02.api.letsencrypt.org/directory"
    assert not layer("certManager", found).objects_before_charts()
    assert not problems("certManager", found)


def test_cloudflare_and_http() -> None:
    found = lab(certManager={"acme": CLOUDFLARE})
    token = {"apiTokenSecretRef": {"name": "cloudflare", "key": "apiToken"}}
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt-staging"]["acme"]
    assert account["solvers"] == [{"dns01": {"cloudflare": token}}]
    (secret,) = layer("certManager", found).objects_before_charts()
    assert secret["stringData"] == {"apiToken": SecretRef(secret="token")}
    found = lab(certManager={"acme": HTTP}, traefik={})
    assert layer("certManager", found).outputs()["wildcard_issuers"] == []
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt"]["acme"]
    ingress = {"ingressClassName": "traefik", "serviceType": "ClusterIP"}
    assert account["solvers"] == [{"http01": {"ingress": ingress}}]
    assert not problems("certManager", found)


RFC2136 = {
    "nameserver": "[fd00::53]:5353",
    "tsigKeyName": "cert-manager",
    "tsigSecret": {"secret": "tsig"},
}


def test_rfc2136() -> None:
    acme = {"email": "me@lab.org", "rfc2136": RFC2136, "nameservers": ["192.168.1.53"]}
    found = lab(certManager={"acme": acme})
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt"]["acme"]
    solver = {
        "nameserver": "[fd00::53]:5353",
        "tsigKeyName": "cert-manager",
        "tsigAlgorithm": "HMACSHA256",
        "tsigSecretSecretRef": {"name": "rfc2136", "key": "tsigSecret"},
    }
    assert account["solvers"] == [{"dns01": {"rfc2136": solver}}]
    (secret,) = layer("certManager", found).objects_before_charts()
    assert secret["metadata"] == {"name": "rfc2136", "namespace": "cert-manager"}
    assert secret["stringData"] == {"tsigSecret": SecretRef(secret="tsig")}
    assert values("certManager", found)["dns01RecursiveNameservers"] == "192.168.1.53:53"
    assert layer("certManager", found).outputs()["wildcard_issuers"] == ["letsencrypt", "letsencrypt-staging"]
    assert not problems("certManager", found)


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"nameserver": "fd00::53"}, "is an IPv6 address without brackets"),
        ({"nameserver": "dns://a"}, "is not a host with an optional port"),
        ({"tsigKeyName": "Cert Manager"}, "is not the name of a TSIG key"),
        ({"tsigAlgorithm": "hmac-sha256"}, "Input should be 'HMACMD5', 'HMACSHA1', 'HMACSHA256' or 'HMACSHA512'"),
        ({"tsigSecret": "c2VjcmV0"}, "should be a valid dictionary"),
    ],
)
def test_rfc2136_settings_that_cert_manager_would_refuse(given: dict[str, Any], report: str) -> None:
    with pytest.raises(ValidationError, match=report):
        CertManagerSettings.model_validate({"acme": {"email": "me@lab.org", "rfc2136": RFC2136 | given}})


WEBHOOK: dict[str, Any] = {
    "groupName": "acme.lab.org",
    "solverName": "hetzner",
    "config": {"zone": "lab.org", "keys": [{"apiKeySecretRef": {"secret": "token"}}]},
    "chart": {
        "name": "webhook-hetzner",
        "repository": "https://charts.lab.org",
        "version": "1.4.0",
        "values": {"groupName": "acme.lab.org", "license": {"secret": "license"}},
    },
}


def test_webhook() -> None:
    found = lab(certManager={"acme": {"email": "me@lab.org", "webhook": WEBHOOK}})
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt"]["acme"]
    solver = {
        "groupName": "acme.lab.org",
        "solverName": "hetzner",
        "config": {"zone": "lab.org", "keys": [{"apiKeySecretRef": {"name": "webhook", "key": "token"}}]},
    }
    assert account["solvers"] == [{"dns01": {"webhook": solver}}]
    (secret,) = layer("certManager", found).objects_before_charts()
    assert secret["metadata"] == {"name": "webhook", "namespace": "cert-manager"}
    assert secret["stringData"] == {"token": SecretRef(secret="token")}
    charts = layer("certManager", found).values()
    assert list(charts) == ["cert-manager", "webhook-hetzner"], "the webhook needs cert-manager"
    assert charts["webhook-hetzner"] == {"groupName": "acme.lab.org", "license": SecretRef(secret="license")}
    assert not problems("certManager", found)


def test_webhook_without_secrets_and_values() -> None:
    chart = {key: value for key, value in WEBHOOK["chart"].items() if key != "values"}
    given = {"groupName": "acme.lab.org", "solverName": "hetzner", "chart": chart}
    found = lab(certManager={"acme": {"email": "me@lab.org", "webhook": given}})
    account = objects("certManager", found)["ClusterIssuer", "letsencrypt"]["acme"]
    assert account["solvers"] == [{"dns01": {"webhook": {"groupName": "acme.lab.org", "solverName": "hetzner"}}}]
    assert not layer("certManager", found).objects_before_charts()
    assert layer("certManager", found).values()["webhook-hetzner"] == {}


def platform(**more: Any) -> LabStack:
    config, _ = stackfile.read(ROOT / "tests/settings/valid/three-servers.yaml")
    given = {"certManager": {"acme": {"email": "me@lab.org", "webhook": WEBHOOK}}, **more}
    return LabStack.parse(config | {"platform": given}, {"sshKey", "token", "license"}, "lab")


def test_chart_of_a_webhook_is_installed_like_those_of_the_catalog() -> None:
    chart = Chart("webhook-hetzner", "1.4.0", "https://charts.lab.org")
    assert chart in charts_of(platform())
    more = {
        "versions": {"webhook-hetzner": "1.5.0"},
        "pins": {"webhook-hetzner": "ab" * 32},
        "values": {"webhook-hetzner": {"replicas": 2}},
        "chartMirror": "oci://mirror.lab.org/charts",
    }
    found = platform(**more)
    assert Chart("webhook-hetzner", "1.5.0", "oci://mirror.lab.org/charts", "ab" * 32) in charts_of(found)
    assert chart_values_of(found)["webhook-hetzner"]["replicas"] == 2


@pytest.mark.parametrize(
    ("more", "report"),
    [
        (
            {
                "certManager": {
                    "acme": {"email": "a@b.c", "webhook": WEBHOOK | {"chart": WEBHOOK["chart"] | {"name": "traefik"}}}
                }
            },
            "homelab:platform.certManager: uses the chart name traefik, "
            "which a chart of the layer traefik already has; "
            "use a chart with another name",
        ),
        (
            {"chartMirror": "http://mirror.lan", "pins": {"cert-manager": "ab" * 32}},
            "homelab:platform.chartMirror: is http, but these charts are not pinned: webhook-hetzner; "
            "pin the charts with `./homelab pin --official`, or use https",
        ),
        (
            {"pins": {"webhook-other": "ab" * 32}},
            "homelab:platform.pins.webhook-other: is not a chart of any layer; ",
        ),
    ],
)
def test_chart_of_a_webhook_that_is_refused(more: dict[str, Any], report: str) -> None:
    with pytest.raises(SettingsError) as caught:
        platform(**more)
    assert report in str(caught.value)


ONE = "acme: needs exactly one of route53, cloudflare, rfc2136, webhook and http01; add one, or keep one of them"


@pytest.mark.parametrize(
    ("given", "report"),
    [
        ({"acme": {"email": "me@lab.org"}}, [ONE]),
        ({"acme": CLOUDFLARE | {"route53": {"region": "a"}}}, [ONE]),
        ({"acme": HTTP}, ["acme.http01: needs traefik, which is disabled; add traefik: {} next to certManager"]),
        (
            {"acme": CLOUDFLARE | {"cloudflare": None, "route53": {"region": "a", "accessKey": {"secret": "id"}}}},
            [
                "acme.route53: needs both accessKey and secretKey, or neither; "
                "set both keys, or remove both keys to use the machines' instance role"
            ],
        ),
        (
            {"ca": {"commonName": "x" * 65}},
            ["ca.commonName: is longer than 64 characters, which certificates do not allow; shorten it"],
        ),
    ],
)
def test_proofs_that_do_not_work_are_reported(given: dict[str, Any], report: list[str]) -> None:
    assert problems("certManager", lab(certManager=given)) == report


def test_nameservers_have_no_use_with_http() -> None:
    found = lab(certManager={"acme": HTTP | {"nameservers": ["1.1.1.1"]}}, traefik={})
    report = "acme.nameservers: has no effect, because http01 challenges use no DNS records; remove it"
    assert problems("certManager", found) == [report]


def test_mail_address_is_one() -> None:
    with pytest.raises(ValidationError, match="is not an email address"):
        CertManagerSettings.model_validate({"acme": HTTP | {"email": "me"}})
