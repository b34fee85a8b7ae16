"""The options of K3s as they are rendered from settings."""

from typing import Any

import pytest
import yaml

from components.cluster.k3s import config as k3s
from components.cluster.k3s.hardening import CIPHERS
from components.cluster.k3s.options import AGENT_OPTIONS, SERVER_OPTIONS
from components.cluster.settings import NodeSettings
from stacks.settings import LabStack
from tests.support.cluster_fixtures import cluster, k3s_config
from tests.support.settings_fixtures import SAMPLE, VALID

TLS = ["tls-min-version=VersionTLS12", f"tls-cipher-suites={','.join(CIPHERS)}"]


def test_config_of_a_server() -> None:
    assert k3s_config("three-servers") == {
        "node-name": "a",
        "node-ip": "10.0.0.11",
        "server": "https://10.0.0.240:6443",
        "token-file": "/etc/rancher/k3s/token",
        "agent-token-file": "/etc/rancher/k3s/agent-token",
        "advertise-address": "10.0.0.11",
        "tls-san": ["10.0.0.240", "10.0.0.11"],
        "cluster-cidr": "10.42.0.0/16",
        "service-cidr": "10.43.0.0/16",
        "flannel-backend": "vxlan",
        "disable-network-policy": False,
        "disable": ["traefik", "servicelb"],
        "embedded-registry": False,
        "secrets-encryption": True,
        "write-kubeconfig-mode": "0600",
        "etcd-snapshot-schedule-cron": "0 */12 * * *",
        "etcd-snapshot-retention": 5,
        "kubelet-arg": TLS,
        "kube-apiserver-arg": [*TLS, "admission-control-config-file=/etc/rancher/k3s/admission.yaml"],
    }


def test_config_of_an_agent() -> None:
    assert k3s_config("three-servers", 3) == {
        "node-name": "d",
        "node-ip": "10.0.0.14",
        "server": "https://10.0.0.240:6443",
        "token-file": "/etc/rancher/k3s/token",
        "kubelet-arg": TLS,
    }


@pytest.mark.parametrize("file", [*VALID, SAMPLE], ids=lambda file: file.stem)
def test_every_option_is_one_that_k3s_knows_for_the_role(file: Any) -> None:
    found = LabStack.read(file).cluster
    for node in found.nodes:
        known = SERVER_OPTIONS if node.role == "server" else AGENT_OPTIONS
        for name, value in yaml.safe_load(k3s.config_yaml(found, node)).items():
            kinds = {"flag": bool, "list": (list, str), "value": (str, int)}
            assert isinstance(value, kinds[known[name]]), f"{name} of {node.name}"  # type: ignore[arg-type]


def test_ipv6_stands_in_brackets_in_addresses_and_bare_elsewhere() -> None:
    found = cluster("ipv6-only")
    options = k3s_config("ipv6-only")
    assert options["server"] == "https://[fd00::240]:6443"
    assert (options["node-ip"], options["advertise-address"]) == ("fd00::11", "fd00::11")
    assert options["tls-san"] == ["fd00::240", "fd00::11"]
    assert k3s.api_endpoint(found) == "[fd00::240]:6443"
    assert k3s.peer_addresses(found, found.servers[0]) == "[fd00::12]:6443 [fd00::13]:6443"


def test_dual_stack_has_both_families_in_order() -> None:
    options = k3s_config("dual-stack")
    assert options["node-ip"] == "10.0.0.11,fd00::11"
    assert options["cluster-cidr"] == "10.42.0.0/16,fd42::/56"
    assert options["service-cidr"] == "10.43.0.0/16,fd43::/112"
    assert options["tls-san"] == ["10.0.0.240", "10.0.0.11", "fd00::11", "api.lab.example.com", "fd00::240"]
    assert options["flannel-backend"] == "wireguard-native"


def test_external_balancer_keeps_its_port() -> None:
    found = cluster("external-balancer")
    assert k3s.api_endpoint(found) == "balancer.example.com:8443"
    options = k3s_config("external-balancer")
    assert options["server"] == "https://balancer.example.com:8443"
    assert options["tls-san"] == ["balancer.example.com", "10.0.0.11"]
    assert (options["flannel-backend"], options["disable-network-policy"]) == ("none", True)


def test_peers_are_all_other_servers() -> None:
    found = cluster("three-servers")
    assert k3s.peer_addresses(found, found.servers[1]) == "10.0.0.11:6443 10.0.0.13:6443"
    assert k3s.peer_addresses(found, found.agents[0]) == "10.0.0.11:6443 10.0.0.12:6443 10.0.0.13:6443"
    alone = cluster("one-server")
    assert k3s.peer_addresses(alone, alone.servers[0]) == ""


def test_options_of_the_node_win_over_those_of_its_role_and_of_all() -> None:
    options = {"options": {"v": 1, "debug": True}, "serverOptions": {"v": 2, "log": "/a"}, "agentOptions": {"v": 3}}
    found = cluster("server-and-agents", k3s=options)
    server, agent, other = found.nodes
    with_own = server.model_copy(update={"options": {"v": 9}})
    seen = [yaml.safe_load(k3s.config_yaml(found, node)) for node in (with_own, server, agent, other)]
    assert [each["v"] for each in seen] == [9, 2, 3, 3]
    assert [each.get("log") for each in seen] == ["/a", "/a", None, None]
    assert all(each["debug"] is True for each in seen)


def test_what_the_program_owns_wins_over_any_option() -> None:
    found = cluster("one-server")
    node = found.nodes[0].model_copy(update={"options": {"node-name": "x", "server": "x", "token-file": "x"}})
    assert yaml.safe_load(k3s.config_yaml(found, node)) == k3s_config("one-server")


def test_what_is_disabled_twice_changes_nothing() -> None:
    found = cluster("three-servers")
    assert k3s.config_yaml(found.with_disabled(["servicelb", "traefik"]), found.nodes[0]) == k3s.config_yaml(
        found, found.nodes[0]
    )


@pytest.mark.parametrize(("version", "packaged"), [("v1.36.9+k3s1", False), ("v1.37.0+k3s1", True)])
def test_crds_of_the_gateway_api_are_left_to_layers(version: str, packaged: bool) -> None:
    """K3s packages them since 1.37, and takes them from whoever installed them."""
    assert ("gateway-api-crd" in k3s_config("three-servers", k3s={"version": version})["disable"]) is packaged


def test_options_file() -> None:
    options = k3s_config("options")
    assert options["disable"] == ["traefik", "servicelb", "metrics-server", "local-storage"]
    assert options["kubelet-arg"] == [*TLS, "max-pods=200"]
    assert options["secrets-encryption"] is False
    assert options["embedded-registry"] is True
    assert options["default-local-storage-path"] == "/srv/volumes"
    assert options["etcd-snapshot-schedule-cron"] == "15 */6 * * mon-fri"
    s3 = {key: value for key, value in options.items() if key.startswith("etcd-s3")}
    assert s3 == {
        "etcd-s3": True, "etcd-s3-endpoint": "s3.lan:9000", "etcd-s3-bucket": "lab-snapshots",
        "etcd-s3-region": "us-east-1", "etcd-s3-folder": "etcd", "etcd-s3-retention": 15,
    }  # fmt: skip
    assert k3s_config("options", 1)["snapshotter"] == "native"
    assert "etcd-s3" not in k3s_config("options", 1)


def test_text_in_settings_stays_text() -> None:
    """Values that YAML would read as something else keep their kind."""
    found = cluster("one-server", k3s={"options": {"v": "1", "log": "null", "kubelet-arg": ["a=yes", "no", "b=0x10"]}})
    node: NodeSettings = found.nodes[0]
    options = yaml.safe_load(k3s.config_yaml(found, node))
    assert (options["v"], options["log"]) == ("1", "null")
    assert options["kubelet-arg"] == [*TLS, "a=yes", "no", "b=0x10"]
