"""Let's Encrypt in a lab: who is served, what is known by name, and whom issuers trust."""

import base64
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from bench.labs import stack_document
from components.layers.cert_manager import acme as settings
from rehearsal import acme, certificates
from rehearsal.controllers import lets_encrypt
from stacks.settings import LabStack
from tests.support.kubernetes_api import InMemoryApi, Json

ISSUERS = "/apis/cert-manager.io/v1/clusterissuers"
URL = settings.SERVERS["production"][1]


def put(api: InMemoryApi, path: str, name: str, spec: Json, **more: Any) -> Json:
    api.create(path, {"metadata": {"name": name}, "spec": spec, **more})
    return api.named(path.rpartition("/")[2], name)


def issuer(api: InMemoryApi, name: str, **spec: Any) -> Json:
    return put(api, ISSUERS, name, spec)


def ingress(api: InMemoryApi, name: str, host: str, *addresses: str) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": each} for each in addresses]}}
    put(api, lets_encrypt.INGRESSES, name, {"rules": [{"host": host}, {}]}, status=status)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / lets_encrypt.HOSTS_FILE).touch()
    (tmp_path / lets_encrypt.CA_FILE).write_text("authority")
    return tmp_path


def test_issuers_of_lets_encrypt_alone_trust_the_lab_s_server(folder: Path) -> None:
    api = InMemoryApi()
    ours = issuer(api, "letsencrypt", acme={"server": URL})
    others = [issuer(api, "ca", ca={}), issuer(api, "other", acme={"server": "https://acme.example.com/directory"})]
    before = str(others)
    api.create(
        "/apis/cert-manager.io/v1/namespaces/shop/issuers",
        {"metadata": {"name": "own", "namespace": "shop"}, "spec": {"acme": {"server": URL}}},
    )
    lets_encrypt.reconcile(api, folder)
    assert api.named("issuers", "own")["spec"]["acme"].keys() == {"server", "caBundle"}
    assert base64.b64decode(ours["spec"]["acme"]["caBundle"]) == b"authority"
    assert ours["spec"]["acme"]["server"] == URL
    assert str(others) == before


def test_issuers_register_anew_with_a_server_that_was_started_anew(folder: Path) -> None:
    api = InMemoryApi()
    ours = issuer(api, "letsencrypt", acme={"server": URL})
    for authority in ("authority", "another"):
        ours["status"] = {"acme": {"uri": "https://known"}, "conditions": ["kept"]}
        (folder / lets_encrypt.CA_FILE).write_text(authority)
        lets_encrypt.reconcile(api, folder)
        assert ours["status"] == {"conditions": ["kept"]}
    ours["status"] = {"acme": {"uri": "https://known"}}
    lets_encrypt.reconcile(api, folder)
    assert ours["status"] == {"acme": {"uri": "https://known"}}


def test_hosts_of_ingresses_are_known_as_soon_as_they_have_an_address(folder: Path) -> None:
    api = InMemoryApi()
    ingress(api, "shop", "shop.lab.test", "10.9.0.200")
    ingress(api, "solver", "shop.lab.test", "10.9.0.200")
    ingress(api, "early", "early.lab.test")
    lets_encrypt.reconcile(api, folder)
    assert (folder / lets_encrypt.HOSTS_FILE).read_text() == "10.9.0.200 shop.lab.test\n"


def test_nothing_is_done_where_there_is_no_server(tmp_path: Path) -> None:
    api = InMemoryApi()
    ours = issuer(api, "letsencrypt", acme={"server": URL})
    lets_encrypt.reconcile(api, tmp_path)
    assert ours["spec"]["acme"] == {"server": URL}
    assert not list(tmp_path.iterdir())


def test_names_of_lets_encrypt_lead_to_its_server_which_has_certificates_for_them(tmp_path: Path) -> None:
    assert acme.SERVER_HOSTS == ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org")
    text = acme.corefile(tmp_path, "10.9.0.254")
    assert all(f" 10.9.0.254 {name}\n" in text for name in acme.SERVER_HOSTS)
    options = dict(each.split("=") for each in acme.pebble_options(tmp_path, "fd00::1"))
    assert (options["-listen"], options["-nameserver"]) == ("[fd00::1]:443", "[fd00::1]:53")
    certificate = x509.load_pem_x509_certificate(Path(options["-certificate"]).read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(acme.SERVER_HOSTS)


def test_other_names_need_other_certificates(tmp_path: Path) -> None:
    first = certificates.ensure(tmp_path, "10.9.0.254").server.read_bytes()
    assert certificates.ensure(tmp_path, "10.9.0.254").server.read_bytes() == first
    assert certificates.ensure(tmp_path, "10.9.0.254", ["a.test"]).server.read_bytes() != first


HTTP01 = {"email": "me@example.com", "http01": True}
ROUTE53 = {"email": "me@example.com", "route53": {"region": "eu-central-1"}}
RFC2136 = {
    "email": "me@example.com",
    "rfc2136": {"nameserver": "10.9.0.53", "tsigKeyName": "acme", "tsigSecret": {"secret": "tsig"}},
}


@pytest.mark.parametrize(
    ("given", "is_wanted"),
    [
        ({}, False),
        ({"acme": HTTP01}, True),
        ({"acme": ROUTE53}, False),
        ({"acme": RFC2136}, True),
        (None, False),
    ],
    ids=["own-authority", "over-http", "by-records", "by-updates", "without"],
)
def test_lets_encrypt_is_simulated_for_http01_and_rfc2136(given: Json | None, is_wanted: bool) -> None:
    assert acme.is_needed(stack({} if given is None else {"certManager": given})) is is_wanted


def stack(layers: Json) -> LabStack:
    config = stack_document(1, 1)["config"]
    platform = {"metallb": {"addresses": ["10.9.0.200/29"]}, "traefik": {}, **layers}
    secrets = {"tsig"} if "rfc2136" in str(layers) else set()
    return LabStack.parse({"cluster": config["homelab:cluster"], "platform": platform}, secrets, "lab")
