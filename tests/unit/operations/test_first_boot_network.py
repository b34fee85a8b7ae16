"""The network of a machine at its first boot: addresses, gateways, DNS servers, bonds and VLANs."""

from pathlib import Path
from typing import Any

import pytest

from operations import host_keys
from operations.first_boot.devices import NetworkOptions
from operations.first_boot.network import Network, network_of
from operations.pulumi_stack import StackError
from tests.support.machines_on_loopback import write_stack_file

STATIC = {
    "addresses": ["10.9.0.11/24"],
    "routes": [{"to": "0.0.0.0/0", "via": "10.9.0.1"}],
    "nameservers": {"addresses": ["10.9.0.1"]},
}
ANY = {"match": {"name": "e*"}}
BOND = {"interfaces": ["eth0", "eth1"], "parameters": {"mode": "active-backup", "mii-monitor-interval": 100}}
DUAL = {
    "network": {"pods": ["10.42.0.0/16", "fd42::/56"], "services": ["10.43.0.0/16", "fd43::/112"]},
}


def network(folder: Path, options: NetworkOptions, node: dict[str, Any] | None = None, **cluster: Any) -> Network:
    settings = host_keys.read_cluster(write_stack_file(folder, node or {}, **cluster))
    return network_of(settings.nodes[0], settings, options)


@pytest.mark.parametrize(("options", "node", "expected"), [
    ({}, {}, {"ethernets": {"lan": ANY | STATIC}}),
    ({"interface": "enp1s0", "mtu": 9000}, {}, {"ethernets": {"enp1s0": {"mtu": 9000} | STATIC}}),
    ({}, {"interface": "end0"}, {"ethernets": {"end0": STATIC}}),
    ({"vlan": 50}, {}, {"ethernets": {"lan": ANY}, "vlans": {"vlan50": {"id": 50, "link": "lan"} | STATIC}}),
    (
        {"vlan": 50, "interface": "eth0"},
        {"interface": "eth0.50"},
        {"ethernets": {"eth0": {}}, "vlans": {"eth0.50": {"id": 50, "link": "eth0"} | STATIC}},
    ),
    ({"bond": "eth0,eth1"}, {}, {"ethernets": {"eth0": {}, "eth1": {}}, "bonds": {"bond0": BOND | STATIC}}),
    ({"bond": "eth0, eth1"}, {"interface": "lan0"},
     {"ethernets": {"eth0": {}, "eth1": {}}, "bonds": {"lan0": BOND | STATIC}}),
    (
        {"bond": "eth0,eth1", "vlan": 7, "mtu": 1400},
        {},
        {
            "ethernets": {"eth0": {"mtu": 1400}, "eth1": {"mtu": 1400}},
            "bonds": {"bond0": BOND | {"mtu": 1400}},
            "vlans": {"vlan7": {"id": 7, "link": "bond0", "mtu": 1400} | STATIC},
        },
    ),
    ({"dhcp": True}, {}, {"ethernets": {"lan": ANY | {"dhcp4": True, "dhcp-identifier": "mac"}}}),
    (
        {"gateways": ("10.9.0.254",), "dns": ("1.1.1.1", "2606:4700:4700::1111")},
        {},
        {
            "ethernets": {
                "lan": ANY
                | {
                    "addresses": ["10.9.0.11/24"],
                    "routes": [{"to": "0.0.0.0/0", "via": "10.9.0.254"}],
                    "nameservers": {"addresses": ["1.1.1.1", "2606:4700:4700::1111"]},
                }
            }
        },
    ),
])  # fmt: skip
def test_network(tmp_path: Path, options: dict[str, Any], node: dict[str, Any], expected: dict[str, Any]) -> None:
    assert network(tmp_path, NetworkOptions(**options), node).config == {"version": 2} | expected


def test_both_addresses_of_a_dual_stack_node(tmp_path: Path) -> None:
    node = {"secondAddress": "fd00:9::11"}
    own = network(tmp_path, NetworkOptions(gateways=("fe80::1", "10.9.0.9")), node, **DUAL).config["ethernets"]["lan"]
    assert own["addresses"] == ["10.9.0.11/24", "fd00:9::11/64"]
    assert own["routes"] == [{"to": "0.0.0.0/0", "via": "10.9.0.9"}, {"to": "::/0", "via": "fe80::1"}]
    found = network(tmp_path, NetworkOptions(dhcp=True), node, **DUAL).config["ethernets"]["lan"]
    assert found == ANY | {"dhcp4": True, "dhcp6": True, "dhcp-identifier": "mac"}


def test_an_ipv6_machine_learns_its_router(tmp_path: Path) -> None:
    found = network(tmp_path, NetworkOptions(), {"address": "fd00:9::11"}, network={
        "pods": ["fd42::/56"], "services": ["fd43::/112"]})  # fmt: skip
    assert found.config["ethernets"]["lan"] == ANY | {"addresses": ["fd00:9::11/64"]}
    assert "IPv6 gateway: from router advertisements (--gateway sets one)." in found.explanations


def test_values_that_homelab_chose_are_explained(tmp_path: Path) -> None:
    assert network(tmp_path, NetworkOptions()).explanations == (
        "Network interface: every e*, such as eth0 (--interface sets one).",
        "Addresses: 10.9.0.11/24.",
        "Gateway: 10.9.0.1 (the first address of 10.9.0.0/24; --gateway sets another).",
        "DNS servers: 10.9.0.1 (the gateway; --dns sets another).",
    )


def test_dns_servers_of_the_stack_file(tmp_path: Path) -> None:
    found = network(tmp_path, NetworkOptions(), machine={"dnsServers": ["10.9.0.53"]})
    assert found.config["ethernets"]["lan"]["nameservers"] == {"addresses": ["10.9.0.53"]}
    assert "DNS servers: 10.9.0.53 (machine.dnsServers)." in found.explanations


def test_the_prefix_is_that_of_the_lan(tmp_path: Path) -> None:
    found = network(tmp_path, NetworkOptions(), lan="10.9.0.0/22")
    assert found.config["ethernets"]["lan"]["addresses"] == ["10.9.0.11/22"]


@pytest.mark.parametrize(("options", "node", "message"), [
    ({"gateways": ("10.8.0.1",)}, {}, "--gateway 10.8.0.1 is outside 10.9.0.0/24, so the machine cannot reach it."),
    ({"gateways": ("10.9.0.255",)}, {}, "--gateway 10.9.0.255 is the broadcast address of 10.9.0.0/24."),
    ({"gateways": ("10.9.0.11",)}, {}, "--gateway 10.9.0.11 is the machine's own address."),
    ({"gateways": ("router",)}, {}, "--gateway router: is not an IP address; write it as 192.168.1.11"),
    ({"gateways": ("10.9.0.1", "10.9.0.2")}, {}, "--gateway: 10.9.0.1 and 10.9.0.2 are of one IP family."),
    ({"gateways": ("fd00::1",)}, {}, "--gateway fd00::1: one has no address of this IP family."),
    ({"dns": ("127.0.0.1",)}, {}, "--dns 127.0.0.1: is a loopback address;"),
    ({"dhcp": True, "dns": ("10.9.0.1",)}, {}, "--dhcp excludes --gateway and --dns"),
    ({"bond": "eth0,eth1", "interface": "eth0"}, {}, "--bond excludes --interface"),
    ({"bond": "eth0"}, {}, "--bond eth0: a bond needs two or more different network interfaces"),
    ({"bond": "eth0,eth0"}, {}, "--bond eth0,eth0: a bond needs two or more different"),
    ({"interface": "a b"}, {}, "--interface a b: is not the name of a network interface;"),
    ({"interface": "eth1"}, {"interface": "eth0"}, "--interface eth1: the stack file sets `interface: eth0` for one."),
    ({"bond": "eth0,eth1"}, {"interface": "eth0"}, "`interface: eth0` of one in the stack file must be the interface"),
    ({"vlan": 5, "interface": "eth0"}, {"interface": "eth0"}, "`interface: eth0` of one in the stack file must be"),
    ({}, {"address": "10.9.0.1"}, "10.9.0.1, the first address of 10.9.0.0/24, belongs to one. Add --gateway"),
])  # fmt: skip
def test_options_that_cannot_work_are_refused(
    tmp_path: Path, options: dict[str, Any], node: dict[str, Any], message: str
) -> None:
    with pytest.raises(StackError) as error:
        network(tmp_path, NetworkOptions(**options), node)
    assert message in str(error.value)
