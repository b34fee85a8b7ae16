"""What keeps the virtual address: keepalived's configuration and kube-vip's manifests."""

import re
from ipaddress import ip_address
from typing import Any

import pytest
import yaml

from components.cluster.api_endpoint import virtual_ip
from components.cluster.settings import ClusterSettings
from stacks import catalog
from stacks.settings import LabStack
from tests.support.cluster_fixtures import cluster
from tests.support.settings_fixtures import SAMPLE, VALID


def blocks(text: str) -> dict[str, Any]:
    """Read keepalived's format: `name arguments {` opens a block, every other line is a setting."""
    top: dict[str, Any] = {}
    open_blocks = [top]
    for line in (line.strip() for line in text.splitlines()):
        if line.endswith("{"):
            inner: dict[str, Any] = {}
            assert line[:-1].strip() not in open_blocks[-1]
            open_blocks[-1][line[:-1].strip()] = inner
            open_blocks.append(inner)
        elif line == "}":
            open_blocks.pop()
            assert open_blocks, "a brace too many"
        elif line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            assert "{" not in line
            assert "}" not in line
            open_blocks[-1][name] = value
    assert open_blocks == [top], "a brace too few"
    return top


def kept(found: ClusterSettings, index: int = 0) -> dict[str, Any]:
    return dict(blocks(virtual_ip.keepalived_config(found, found.nodes[index]))["vrrp_instance api"])


def test_every_server_speaks_to_all_others_and_not_to_itself() -> None:
    found = cluster("three-servers")
    addresses = [server.address for server in found.servers]
    for index, own in enumerate(addresses):
        instance = kept(found, index)
        assert instance["unicast_src_ip"] == own
        assert list(instance["unicast_peer"]) == [each for each in addresses if each != own]
        assert list(instance["virtual_ipaddress"]) == ["10.0.0.240/24"]
        assert list(instance["track_script"]) == ["serving"]


def test_no_server_ranks_higher_and_the_address_stays_where_it_is() -> None:
    found = cluster("three-servers")
    same = [{**kept(found, index), "unicast_src_ip": "", "unicast_peer": ""} for index in range(3)]
    assert same[0] == same[1] == same[2]
    assert same[0]["state"] == "BACKUP"
    assert "nopreempt" not in same[0], "the address must follow a server that serves"


def test_serving_weighs_more_than_nothing_and_less_than_the_limit() -> None:
    text = virtual_ip.keepalived_config(cluster("three-servers"), cluster("three-servers").nodes[0])
    check = blocks(text)["vrrp_script serving"]
    assert 0 < int(check["weight"]) < 254 - int(kept(cluster("three-servers"))["priority"])
    assert check["script"] == '"/etc/keepalived/homelab-check"'


@pytest.mark.parametrize(
    ("vip", "lan"),
    [("10.0.0.240", "10.0.0.0/24"), ("10.0.3.250", "10.0.0.0/22"), ("10.0.0.254", "10.0.0.0/24")],
)
def test_router_id_is_valid_and_the_address_has_the_prefix_of_the_lan(vip: str, lan: str) -> None:
    instance = kept(cluster("three-servers", api={"vip": vip}, lan=lan))
    assert 1 <= int(instance["virtual_router_id"]) <= 255
    assert list(instance["virtual_ipaddress"]) == [f"{vip}/{lan.partition('/')[2]}"]


def test_neighbouring_labs_have_different_router_ids() -> None:
    ids = {
        kept(cluster("three-servers", api={"vip": f"10.0.0.{last}"}))["virtual_router_id"] for last in range(100, 200)
    }
    assert len(ids) == 100


def test_what_is_asked_is_the_api_here_or_the_way_that_the_balancer_has() -> None:
    here, way, none = (virtual_ip.variables(cluster(name), cluster(name).nodes[0])["CHECK"]
                       for name in ("three-servers", "balancer", "kube-vip"))  # fmt: skip
    assert here.endswith("https://127.0.0.1:6443/readyz")
    assert way.endswith("https://127.0.0.1:7443/ping")
    assert none == ""
    for check in (here, way):
        assert check.startswith("#!/bin/sh\n")
        assert "--max-time 5 " in check, "a busy machine is slow to answer"
    assert "--retry-max-time 5 " in here, "who is not ready may be so in a moment"
    assert "--retry-connrefused" not in here, "who refuses does not serve"


def test_ipv6() -> None:
    instance = kept(cluster("ipv6-only"))
    assert list(instance["virtual_ipaddress"]) == ["fd00::240/64"]
    assert list(instance["unicast_peer"]) == ["fd00::12", "fd00::13"]


def test_single_server_with_an_address_has_no_peers() -> None:
    assert kept(cluster("one-server", api={"vip": "10.0.0.240"}))["unicast_peer"] == {}


@pytest.mark.parametrize("file", [*VALID, SAMPLE], ids=lambda file: file.stem)
def test_one_thing_at_most_keeps_the_address(file: Any) -> None:
    found = LabStack.read(file).cluster
    for node in found.nodes:
        keepers = [
            bool(virtual_ip.keepalived_config(found, node)),
            bool(virtual_ip.kube_vip_manifests(found, node, catalog.KUBE_VIP_IMAGE)),
        ]
        wanted = node.role == "server" and found.api.vip is not None
        by = found.api.by
        assert keepers == [wanted and by == "keepalived", wanted and by == "kube-vip"], node.name


def kube_vip() -> dict[str, Any]:
    found = cluster("kube-vip")
    documents = list(yaml.safe_load_all(virtual_ip.kube_vip_manifests(found, found.nodes[0], "example/kube-vip:v9")))
    assert [each["kind"] for each in documents] == [
        "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet",
    ]  # fmt: skip
    return {each["kind"]: each for each in documents}


def test_kube_vip_has_the_rights_it_is_given_and_no_more() -> None:
    found = kube_vip()
    account, role, binding = found["ServiceAccount"], found["ClusterRole"], found["ClusterRoleBinding"]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"],
    }  # fmt: skip
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": account["metadata"]["namespace"]}
    ]
    granted = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert {resource for resource, _ in granted} == {"nodes", "leases"}
    assert not any(verb in ("*", "delete", "patch") for _, verb in granted)
    assert {("leases", verb) for verb in ("get", "create", "update")} <= granted


def test_kube_vip_runs_on_every_server_and_keeps_the_api_alone() -> None:
    daemon = kube_vip()["DaemonSet"]
    pod = daemon["spec"]["template"]
    assert daemon["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    spec = pod["spec"]
    assert spec["hostNetwork"] is True
    assert spec["serviceAccountName"] == "kube-vip"
    assert spec["nodeSelector"] == {"node-role.kubernetes.io/control-plane": "true"}
    assert spec["tolerations"] == [{"operator": "Exists"}]
    (container,) = spec["containers"]
    assert container["image"] == "example/kube-vip:v9"
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert all(isinstance(value, str) for value in environment.values())
    assert ip_address(environment["address"]) == ip_address("10.0.3.250")
    assert (environment["port"], environment["cp_enable"], environment["svc_enable"]) == ("6443", "true", "false")
    retry, renew, lease = (int(environment[f"vip_{n}"]) for n in ("retryperiod", "renewdeadline", "leaseduration"))
    assert retry < renew < lease


def test_image_of_kube_vip_is_pinned_to_a_version() -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:v\d+\.\d+\.\d+", catalog.KUBE_VIP_IMAGE)
