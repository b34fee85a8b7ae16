"""Nomad: what each machine is told."""

import json
from typing import Any

import pytest

from components.layer import Lab
from components.model import SecretRef
from stacks.catalog import NOMAD
from tests.layers import lab, layer, problems
from tests.recorder import config_of, record
from tests.settings_fixtures import ROOT

GOSSIP = {"gossipKey": {"secret": "gossip"}}
SECRET = SecretRef(secret="gossip")
TLS = {
    "authority": {"secret": "ca"},
    "serverCertificate": {"secret": "server"},
    "serverKey": {"secret": "serverKey"},
    "clientCertificate": {"secret": "client"},
    "clientKey": {"secret": "clientKey"},
}


def told(found: Lab) -> dict[str, Any]:
    return {each.node: json.loads(each.variables["CONFIG"]) for each in layer("nomad", found).services()}


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
    assert all(each["acl"] == {"enabled": True} and "tls" not in each for each in configs.values())
    secrets = {each.node: each.secrets for each in layer("nomad", found).services()}
    assert secrets == {"a": {"GOSSIP": SECRET}, "b": {"GOSSIP": SECRET}, "c": {"GOSSIP": SECRET}, "d": {}}


def test_each_machine_has_the_certificate_of_what_it_is() -> None:
    found = lab(nomad={"servers": ["a"], "clients": ["a", "d"], "tls": TLS, **GOSSIP})
    secrets = {each.node: each.secrets for each in layer("nomad", found).services()}
    names = {node: [ref.secret for name, ref in given.items() if name != "GOSSIP"] for node, given in secrets.items()}
    assert names == {"a": ["ca", "server", "serverKey"], "d": ["ca", "client", "clientKey"]}
    assert told(found)["d"]["tls"] == {
        "http": True, "rpc": True, "verify_server_hostname": True,
        "ca_file": "/etc/nomad.d/ca.pem", "cert_file": "/etc/nomad.d/cert.pem", "key_file": "/etc/nomad.d/key.pem",
    }  # fmt: skip


def test_version_is_the_catalogs_unless_another_is_named() -> None:
    (ours,) = layer("nomad", lab(nomad={"servers": ["a"], **GOSSIP})).services()
    assert f"v{ours.variables['VERSION']}" == NOMAD
    given = {"servers": ["a"], "version": "1.10.4", "checksums": {"arm64": "0f" * 32, "amd64": "1f" * 32}, **GOSSIP}
    (other,) = layer("nomad", lab(nomad=given)).services()
    assert other.variables["VERSION"] == "1.10.4"
    assert other.variables["PINS"] == f"arm64 {'0f' * 32}\namd64 {'1f' * 32}"


def test_it_is_set_up_on_its_machines_and_makes_nothing_in_the_cluster() -> None:
    file = ROOT / "tests/settings/valid/three-servers.yaml"
    bare = record(config_of(file) | {"platform": {"rbac": {}}})
    given = {"rbac": {}, "nomad": {"servers": ["a"], "clients": ["d"], "gossipKey": {"secret": "sshKey"}}}
    run = record(config_of(file) | {"platform": given})
    before = {each.name for each in bare.registered}
    made = {each.name: each for each in run.registered if each.name not in before}
    assert set(made) == {"nomad", "nomad-agent-a", "nomad-agent-d"}
    assert made["nomad-agent-d"].inputs["probe"] == "nomad-runs.sh"


@pytest.mark.parametrize(
    ("servers", "clients", "report"),
    [
        (["a", "b"], [], "servers: must be one, three or five, or they have no majority; name so many machines"),
        ([], ["a"], "servers: must be one, three or five, or they have no majority; name so many machines"),
        (["a"], ["x"], "clients.0: is no machine of the cluster; use a name that stands in cluster.nodes"),
        (["a"], ["b", "b"], "clients.1: is named twice; leave it out here"),
    ],
)
def test_what_is_wrong_is_reported(servers: list[str], clients: list[str], report: str) -> None:
    assert problems("nomad", lab(nomad={"servers": servers, "clients": clients, **GOSSIP})) == [report]


def test_machine_of_32_bits_is_reported() -> None:
    found = lab(nomad={"servers": ["a"], "clients": ["d"], **GOSSIP})
    nodes = [each.model_copy(update={"arch": "arm"} if each.name == "d" else {}) for each in found.cluster.nodes]
    narrow = Lab(found.cluster.model_copy(update={"nodes": tuple(nodes)}), found.layers)
    report = "clients.0: is a 32-bit machine, for which there is no Nomad; use another machine"
    assert problems("nomad", narrow) == [report]


def test_a_mirror_in_clear_is_taken_with_checksums_only() -> None:
    given = {"servers": ["a"], "releases": "http://10.0.0.9/nomad", **GOSSIP}
    reason = "releases: is http, and these checksums are missing: amd64, arm64; add them under checksums, or use https"
    assert problems("nomad", lab(nomad=given)) == [reason]
    assert problems("nomad", lab(nomad=given | {"checksums": {"amd64": "1f" * 32, "arm64": "0f" * 32}})) == []
