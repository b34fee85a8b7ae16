"""What `./homelab doctor` says of machines as they are found: outputs of real programs, and the verdict."""

from dataclasses import replace
from typing import Any

import pytest

from operations.checks import lan, machine
from operations.checks.machine_state import MachineState
from operations.findings import Finding, State
from tests.unit.operations.test_doctor_machine import LAB, NODE, NOW, not_fine, seen

AGENT = LAB.agents[0]
OTHERS = [node.address for node in LAB.nodes if node.name != NODE.name]
DAY = 86400

UFW = """\
Status: active
Logging: on (low)
Default: deny (incoming), allow (outgoing), disabled (routed)
New profiles: skip

To                         Action      From
--                         ------      ----
22/tcp                     ALLOW IN    Anywhere
22/tcp (v6)                ALLOW IN    Anywhere (v6)
"""
UFW_NETWORKS = """\
Anywhere                   ALLOW IN    10.42.0.0/16
Anywhere                   ALLOW IN    10.43.0.0/16
"""
UFW_LAN = "Anywhere                   ALLOW IN    10.0.0.0/24\n"
UFW_PORTS = """\
6443/tcp                   ALLOW IN    Anywhere
2379:2380/tcp              ALLOW IN    Anywhere
10250/tcp                  ALLOW IN    Anywhere
8472/udp                   ALLOW IN    Anywhere
"""
IPTABLES = """\
-P INPUT ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -s 10.42.0.0/16 -j ACCEPT
"""
REJECT = "-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
NFT = """\
table inet filter {
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state established,related accept
		tcp dport 22 accept
		ip saddr { 10.0.0.0/24, 10.43.0.0/16 } accept
		ip saddr 10.42.0.0/16 counter packets 0 bytes 0 accept
	}
}
"""
FIREWALLD = """\
public
  target: default
  icmp-block-inversion: no
  interfaces: eth0
  sources:
  services: dhcpv6-client ssh
  ports: 6443/tcp 2379-2380/tcp 10250/tcp 8472/udp
  protocols:
"""


def firewall(output: str, name: str = "", *, fact: str = "rule", trusted: str = "") -> Finding:
    facts: dict[str, Any] = {fact: output.splitlines(), "firewall": name, "trusted": trusted}
    state = seen(**facts)
    return next(each for each in machine.check(state) if each.check == "firewall")


def test_ufw_is_named_with_the_rules_that_it_lacks() -> None:
    found = firewall(UFW, "ufw")
    assert found.state is State.WRONG
    assert found.says.startswith(f"ufw does not accept packets from {OTHERS[0]}/32, ")
    for source in (*(f"{each}/32" for each in OTHERS), "10.42.0.0/16", "10.43.0.0/16"):
        assert f"ufw allow from {source}" in found.fix
    assert found.fix.endswith(f"for kubectl in the LAN: ufw allow from {LAB.lan} to any port 6443 proto tcp")


def test_ufw_that_lets_the_cluster_through_is_fine() -> None:
    assert firewall(UFW + UFW_NETWORKS + UFW_LAN, "ufw").state is State.FINE
    assert firewall(UFW.replace("deny (incoming)", "allow (incoming)"), "ufw").state is State.FINE


def test_open_ports_let_agents_in_but_not_the_vrrp_of_other_servers() -> None:
    found = firewall(UFW + UFW_NETWORKS + UFW_PORTS, "ufw")
    servers = [f"{node.address}/32" for node in LAB.servers if node.name != NODE.name]
    assert found.says.startswith(f"ufw does not accept packets from {', '.join(servers)}, which are")
    missing_port = UFW_PORTS.replace("8472/udp ", "8473/udp ")
    assert f"{AGENT.address}/32" in firewall(UFW + UFW_NETWORKS + missing_port, "ufw").says


def test_iptables_that_end_in_reject_are_named() -> None:
    assert firewall(IPTABLES).state is State.FINE
    found = firewall(IPTABLES + REJECT)
    assert found.state is State.WRONG
    assert f"iptables -I INPUT -s {OTHERS[0]}/32 -j ACCEPT" in found.fix
    assert "10.42.0.0/16" not in found.says
    assert firewall(IPTABLES.replace("-P INPUT ACCEPT", "-P INPUT DROP")).state is State.WRONG


def test_nftables_are_judged_by_their_plain_rules() -> None:
    assert firewall(NFT, fact="chain").state is State.FINE
    found = firewall(NFT.replace("10.42.0.0/16", "10.52.0.0/16"), fact="chain")
    assert found.state is State.NOTE
    assert "ip saddr { 10.42.0.0/16 } accept" in found.fix


def test_firewalld_needs_trusted_sources() -> None:
    found = firewall(FIREWALLD, "firewalld", trusted="10.42.0.0/16")
    servers = [f"{node.address}/32" for node in LAB.servers if node.name != NODE.name]
    assert found.says.startswith(f"firewalld does not accept packets from {', '.join(servers)}, 10.43.0.0/16")
    assert "--zone=trusted --add-source=10.43.0.0/16" in found.fix
    assert firewall(FIREWALLD, "firewalld", trusted="10.42.0.0/15 10.0.0.0/24").state is State.FINE
    assert firewall(FIREWALLD.replace("default", "ACCEPT"), "firewalld").state is State.FINE


FOUND = [
    ({"module": ["overlay yes", "vxlan no"], "kernel": "6.8.0-1010-raspi",
      "module_package": "linux-modules-extra-raspi"}, "kernel modules", State.WRONG,
     "6.8.0-1010-raspi has no module vxlan", "apt-get install linux-modules-extra-raspi"),
    ({"module": "iscsi_tcp no", "kernel": "6.1.0-9"}, "kernel modules", State.WRONG,
     "no module iscsi_tcp", "install a kernel with these modules"),
    ({"reboot_required": "yes", "reboot_packages": "linux-base linux-image-6.1.0-40-amd64"}, "reboot", State.NOTE,
     "updates need a reboot: linux-base linux-image-6.1.0-40-amd64", f"kubectl drain {NODE.name}"),
    ({"kernel_installed": "yes", "kernel": "6.1.0-38-amd64"}, "reboot", State.NOTE,
     "the kernel was updated, but 6.1.0-38-amd64 still runs", "write a new text into machine.packageUpgrade"),
    ({"swap": "/swapfile"}, "swap", State.NOTE, "/swapfile", "swapoff -a"),
    ({"page_size": "16384"}, "page size", State.NOTE, "pages of 16 KiB", "kernel=kernel8.img"),
    ({"disk_size": "7300"}, "disk size", State.NOTE, "only 7.1 GiB", "32 GB"),
    ({"worn": "mmcblk0 0x0a 0x02"}, "wear", State.NOTE, "mmcblk0 has used 90 %", "replace it"),
    ({"worn": "mmcblk0 0x01 0x0b"}, "wear", State.WRONG, "mmcblk0 has exceeded", "replace it"),
    ({"wireless": "yes"}, "Wi-Fi", State.NOTE, "eth0 is Wi-Fi", "promisc on"),
    ({"dynamic": "yes"}, "static address", State.NOTE, "lease of a DHCP server", "reserve the address"),
    ({"search": "lab.test 192.168.1.200"}, "search domains", State.WRONG, "resolves to 192.168.1.200",
     "remove lab.test"),
    ({"hosts_rewritten_for": "pve-vm"}, "names", State.NOTE, "cloud-init rewrites /etc/hosts for pve-vm", "user data"),
    ({"certificate": f"{NOW + 100 * DAY} a.crt"}, "certificates", State.NOTE, "in 100 days",
     "k3s.rotation.certificates"),
    ({"certificate": [f"{NOW + 300 * DAY} a.crt", f"{NOW + 3 * DAY} b.crt"]}, "certificates", State.WRONG,
     "b.crt expires on", "k3s.rotation.certificates"),
    ({"certificate": f"{NOW + 200 * DAY} server-ca.crt"}, "certificates", State.NOTE, "server-ca.crt", "CAs of K3s"),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "check", "state", "says", "fix"), FOUND)
def test_what_fails_later_is_said_beforehand(
    facts: dict[str, Any], check: str, state: State, says: str, fix: str
) -> None:
    (found,) = (each for each in not_fine(seen(**facts)) if each.check == check)
    assert found.state is state
    assert says in found.says
    assert fix in found.fix


def test_an_updated_kernel_that_was_not_booted_is_said_to_be_that() -> None:
    facts: dict[str, Any] = {"module": "vxlan no", "kernel": "6.1.0-38-amd64", "kernel_updated": "yes"}
    found = {each.check: each for each in not_fine(seen(**facts))}
    assert found["kernel modules"].says.endswith(
        "the kernel was updated and 6.1.0-38-amd64 still runs without its modules"
    )
    assert found["kernel modules"].state is State.NOTE
    assert found["reboot"].says == "the kernel was updated, but 6.1.0-38-amd64 still runs"
    assert {each.check for each in not_fine(seen(**facts, container="yes"))} == {"K3s"}


@pytest.mark.parametrize(("blacklist", "state"), [
    ("", State.WRONG), ('blacklist { devnode "^(ram|loop)[0-9]*" }', State.WRONG),
    ('blacklist { devnode "^sd[a-z0-9]+" }', State.FINE),
    ('blacklist { device { vendor "IET" product "VIRTUAL-DISK" } }', State.FINE),
])  # fmt: skip
def test_multipathd_takes_the_volumes_of_longhorn(blacklist: str, state: State) -> None:
    with_longhorn = replace(
        seen(multipathd="active", multipath_blacklist=blacklist), layers=frozenset({"longhorn", "metallb"})
    )
    assert next(each for each in machine.check(with_longhorn) if each.check == "multipathd").state is state
    assert not [each for each in not_fine(seen(multipathd="active")) if each.check == "multipathd"]


def test_a_search_domain_in_a_wildcard_zone_is_found_without_a_query() -> None:
    state = replace(seen(search="home.lab.test. "), wildcard_zones=("lab.test",))
    (found,) = (each for each in not_fine(state) if each.check == "search domains")
    assert "an address of the wildcard zone lab.test of the layer coredns" in found.says
    assert not [each for each in not_fine(seen(search="lab.test ")) if each.check == "search domains"]


def test_zram_is_no_swap_on_a_disk() -> None:
    assert not [each for each in not_fine(seen(swap="/dev/zram0")) if each.check == "swap"]


def test_wifi_matters_only_where_addresses_are_announced() -> None:
    agent = replace(seen(wireless="yes"), node=AGENT)
    assert not [each for each in not_fine(agent) if each.check == "Wi-Fi"]
    assert [each for each in not_fine(replace(agent, layer_2=True)) if each.check == "Wi-Fi"]


def holder(held: str, mac: str, neighbour: str = "") -> MachineState:
    return seen(vip_held=held, mac=mac, vip_neighbour=neighbour)


def test_two_holders_of_the_virtual_ip_are_named() -> None:
    one = {"a": holder("yes", "02:01"), "b": holder("no", "02:02", "02:01"), "c": seen()}
    assert lan.virtual_ip_conflicts(one) == {}
    two = {**one, "b": holder("yes", "02:02")}
    found = lan.virtual_ip_conflicts(two)
    assert found["a"].says == f"the machine holds the virtual IP {LAB.api.vip}, but b holds it, too"
    assert found.keys() == {"a", "b"}
    stranger = {**one, "b": holder("no", "02:02", "02:99")}
    assert lan.virtual_ip_conflicts(stranger)["b"].says.startswith("a machine with the MAC address 02:99 answers")


def test_the_mtu_that_differs_from_most_nodes_is_named() -> None:
    same = {name: seen(mtu="1500", device="eth0") for name in "abc"}
    assert lan.mtu_differences({**same, "d": seen()}) == {}
    found = lan.mtu_differences({**same, "b": seen(mtu="9000", device="eth1")})
    assert found.keys() == {"b"}
    assert found["b"].says.startswith("the MTU of eth1 is 9000, but 1500 on most nodes")
    assert lan.mtu_differences({"a": seen(mtu="9000", device="eth0"), "b": same["b"]}).keys() == {"a"}
