"""Nomad: what each machine is told."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509

from components.kubernetes.manifest import ComputedSecret
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from stacks.catalog import NOMAD_VERSION
from tests.support.layer_fixtures import lab, layer, problems
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

GOSSIP = {"gossipKey": {"secret": "gossip"}}
PARTS = ("AUTHORITY", "CERTIFICATE", "CERTIFICATE_KEY")
SECRET = SecretRef(secret="gossip")
TLS = {
    "authority": {"secret": "ca"},
    "serverCertificate": {"secret": "server"},
    "serverKey": {"secret": "serverKey"},
    "clientCertificate": {"secret": "client"},
    "clientKey": {"secret": "clientKey"},
}


def told(found: LabContext) -> dict[str, Any]:
    services = layer("nomad", found).host_services()
    return {each.node: json.loads(each.variables["CONFIG"]) for each in services if each.name == "agent"}


def secrets(found: LabContext, node: str) -> Mapping[str, Any]:
    (own,) = (each for each in layer("nomad", found).host_services() if (each.name, each.node) == ("agent", node))
    return own.secrets


def text(made: Any) -> str:
    """What is made of the layer's random bytes."""
    assert isinstance(made, ComputedSecret)
    return made.compute("00112233445566778899aabbccddeeff")


def alternatives(certificate: str) -> list[str]:
    extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
    found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each.value) for each in found]


def test_machines_are_told_what_they_are_and_secrets_are_none_of_it() -> None:
    found = lab(nomad={"servers": ["a", "b", "c"], "clients": ["c", "d"], **GOSSIP})
    configs = told(found)
    assert list(configs) == ["a", "b", "c", "d"]
    assert [("server" in each, "client" in each) for each in configs.values()] == [
        (True, False), (True, False), (True, True), (False, True),
    ]  # fmt: skip
    servers = {"retry_join": ["10.0.0.11:4648", "10.0.0.12:4648", "10.0.0.13:4648"]}
    assert configs["a"]["server"] == {"enabled": True, "bootstrap_expect": 3, "server_join": servers}
    assert configs["d"]["client"] == {
        "enabled": True, "memory_total_mb": 2048, "max_dynamic_port": 29999,
        "server_join": {"retry_join": ["10.0.0.11:4647", "10.0.0.12:4647", "10.0.0.13:4647"]},
    }  # fmt: skip
    assert [secrets(found, node).get("GOSSIP") for node in "abcd"] == [SECRET, SECRET, SECRET, None]


def test_acls_and_mutual_tls_are_always_on() -> None:
    for tls in ({}, {"tls": TLS}):
        for config in told(lab(nomad={"servers": ["a"], "clients": ["d"], **tls})).values():
            assert config["acl"] == {"enabled": True}
            assert config["tls"] == {
                "http": True, "rpc": True, "verify_server_hostname": True, "verify_https_client": True,
                "ca_file": "/etc/nomad.d/ca.pem", "cert_file": "/etc/nomad.d/cert.pem",
                "key_file": "/etc/nomad.d/key.pem",
            }  # fmt: skip


def test_without_settings_all_is_made_for_the_lab() -> None:
    found = lab(nomad={"servers": ["a"], "clients": ["a", "d"]})
    made = {node: {name: text(each) for name, each in secrets(found, node).items()} for node in "ad"}
    assert len(base64.b64decode(made["a"]["GOSSIP"])) == 32
    names = {node: alternatives(made[node]["CERTIFICATE"]) for node in made}
    assert names["a"] == ["server.global.nomad", "a", "localhost", "127.0.0.1", "10.0.0.11"]
    assert names["d"] == ["client.global.nomad", "d", "localhost", "127.0.0.1", "10.0.0.14"]
    assert made["a"]["AUTHORITY"] == made["d"]["AUTHORITY"]
    assert len({given[key] for given in made.values() for key in ("CERTIFICATE", "CERTIFICATE_KEY")}) == 4


def test_certificates_are_renewed_every_year_and_stay_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lab(nomad={"servers": ["a"]})

    def issued(moment: datetime) -> str:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return moment

        monkeypatch.setattr("components.layers.nomad.secrets.datetime", Clock)
        return text(secrets(found, "a")["CERTIFICATE"])

    january, december = issued(datetime(2027, 1, 1, tzinfo=UTC)), issued(datetime(2027, 12, 31, tzinfo=UTC))
    assert january == december
    assert issued(datetime(2028, 1, 1, tzinfo=UTC)) != january
    assert x509.load_pem_x509_certificate(january.encode()).not_valid_after_utc.year == 2030


def test_the_labs_token_is_a_uuid_and_is_given_last_on_the_first_server() -> None:
    found = lab(nomad={"servers": ["b", "c", "d"]})
    *agents, acl = layer("nomad", found).host_services()
    assert [each.runs_last for each in agents] == [False] * 3
    assert (acl.name, acl.node, acl.run, acl.runs_last, dict(acl.variables)) == (
        "acl", "b", ("nomad/bootstrap-acl.sh",), True, {"ADDRESS": "10.0.0.12"},
    )  # fmt: skip
    token = text(acl.secrets["TOKEN"])
    assert str(UUID(token)) == token
    assert token == text(acl.secrets["TOKEN"])
    access = layer("nomad", found).access  # type: ignore[attr-defined]
    assert text(access.token) == token
    assert alternatives(text(access.certificate)) == ["cli.global.nomad"]


def test_each_machine_has_the_certificate_of_what_it_is() -> None:
    found = lab(nomad={"servers": ["a"], "clients": ["a", "d"], "tls": TLS, **GOSSIP})
    assert [secrets(found, "a")[name] for name in PARTS] == [
        SecretRef(secret=each) for each in ("ca", "server", "serverKey")
    ]
    assert [secrets(found, "d")[name] for name in PARTS] == [
        SecretRef(secret=each) for each in ("ca", "client", "clientKey")
    ]
    access = layer("nomad", found).access  # type: ignore[attr-defined]
    assert (access.ca, access.key) == (SecretRef(secret="ca"), SecretRef(secret="clientKey"))


def test_version_is_the_catalogs_unless_another_is_named() -> None:
    ours, _ = layer("nomad", lab(nomad={"servers": ["a"], **GOSSIP})).host_services()
    assert f"v{ours.variables['VERSION']}" == NOMAD_VERSION
    given = {"servers": ["a"], "version": "1.10.4", "checksums": {"arm64": "0f" * 32, "amd64": "1f" * 32}, **GOSSIP}
    other, _ = layer("nomad", lab(nomad=given)).host_services()
    assert other.variables["VERSION"] == "1.10.4"
    assert other.variables["PINS"] == f"arm64 {'0f' * 32}\namd64 {'1f' * 32}"


def test_it_is_set_up_on_its_machines_and_makes_nothing_in_the_cluster() -> None:
    file = ROOT / "tests/settings/valid/three-servers.yaml"
    bare = record(config_of(file) | {"platform": {"rbac": {}}})
    given = {"rbac": {}, "nomad": {"servers": ["a"], "clients": ["d"], "gossipKey": {"secret": "sshKey"}}}
    run = record(config_of(file) | {"platform": given})
    before = {each.name for each in bare.registered}
    made = {each.name: each for each in run.registered if each.name not in before}
    assert set(made) == {"nomad", "nomad-salt", "nomad-agent-a", "nomad-agent-d", "nomad-acl-a"}
    assert made["nomad-agent-d"].inputs["probe"] == "nomad/check.sh"


@pytest.mark.parametrize(
    ("servers", "clients", "report"),
    [
        (["a", "b"], [], "servers: must be one, three or five nodes for a quorum; add or remove servers"),
        ([], ["a"], "servers: must be one, three or five nodes for a quorum; add or remove servers"),
        (["a"], ["x"], "clients.0: is not a node of the cluster; use a name from cluster.nodes"),
        (["a"], ["b", "b"], "clients.1: is repeated; remove one of them"),
    ],
)
def test_what_is_wrong_is_reported(servers: list[str], clients: list[str], report: str) -> None:
    assert problems("nomad", lab(nomad={"servers": servers, "clients": clients, **GOSSIP})) == [report]


def test_machine_of_32_bits_is_reported() -> None:
    found = lab(nomad={"servers": ["a"], "clients": ["d"], **GOSSIP})
    nodes = [each.model_copy(update={"arch": "arm"} if each.name == "d" else {}) for each in found.cluster.nodes]
    narrow = LabContext(found.cluster.model_copy(update={"nodes": tuple(nodes)}), found.layers)
    report = "clients.0: is a 32-bit node, which Nomad does not support; use another node"
    assert problems("nomad", narrow) == [report]


def test_a_mirror_in_clear_is_taken_with_checksums_only() -> None:
    given = {"servers": ["a"], "releases": "http://10.0.0.9/nomad", **GOSSIP}
    reason = "releases: uses http, but checksums are missing for: amd64, arm64; add the checksums, or use https"
    assert problems("nomad", lab(nomad=given)) == [reason]
    assert problems("nomad", lab(nomad=given | {"checksums": {"amd64": "1f" * 32, "arm64": "0f" * 32}})) == []
