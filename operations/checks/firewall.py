"""Checks whether the firewall of a machine lets the traffic of the cluster through."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import ip_network

from operations.checks import k3s
from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong

_DROPS = re.compile(r"-A INPUT -j (DROP|REJECT).*|-P INPUT (DROP|REJECT)")
_IPTABLES_ACCEPT = re.compile(r"-A INPUT -s (\S+) -j ACCEPT")
_NFT_ACCEPT = re.compile(r"ip6? saddr (\{[^}]*\}|\S+)(?: counter packets \d+ bytes \d+)? accept")
_OPEN_PORTS = (
    re.compile(r"^(\d+)(?::(\d+))?(?:/(tcp|udp))? +ALLOW(?: IN)? +Anywhere$"),  # ufw
    re.compile(r"(?:(?<=^ports: )|(?<= ))(\d+)(?:-(\d+))?/(tcp|udp)(?= |$)"),  # firewalld
    re.compile(r"^-A INPUT(?= )(?=.* --dport (\d+)(?::(\d+))? )(?=.* -p (tcp|udp) )(?!.* -s ).* -j ACCEPT$"),
)
_UFW_ALLOW = re.compile(r"Anywhere(?: \(v6\))? +ALLOW(?: IN)? +(\S+)")


def _sources(machine: MachineState) -> list[str]:
    """Return the networks whose packets every node must accept: other nodes, pods and Services.

    Other nodes need no rule for all packets if rules for K3s' ports accept their packets. keepalived uses no port but
    the IP protocol VRRP, so servers with keepalived always need a rule.
    """
    cluster = machine.cluster
    keepalived = cluster.api.vip and cluster.api.by == "keepalived" and machine.node.role == "server"
    open_ports = _has_open_ports(machine)
    nodes = [
        node.address
        for node in cluster.nodes
        if node.name != machine.node.name and not (open_ports and not (keepalived and node.role == "server"))
    ]
    return [str(ip_network(each)) for each in (*nodes, *cluster.network.pods, *cluster.network.services)]


def _has_open_ports(machine: MachineState) -> bool:
    """Whether rules accept packets to all ports of K3s from every address."""
    rules, ports = machine.facts.all("rule"), k3s.ports(machine.node, machine.cluster)
    found = [match.groups() for rule in rules for pattern in _OPEN_PORTS for match in pattern.finditer(rule)]
    opened = [(int(low), int(high or low), protocol) for low, high, protocol in found]
    wanted = [(int(number), protocol) for protocol, _, number in (port.partition("/") for port in ports)]
    return all(
        any(low <= number <= high and kind in (protocol, None) for low, high, kind in opened)
        for number, protocol in wanted
    )


def _not_covered(wanted: Iterable[str], accepted: Iterable[str]) -> list[str]:
    """Return the networks in `wanted` that are in no network of `accepted`."""
    networks = [ip_network(each, strict=False) for each in accepted]
    return [each for each in wanted if not any(_within(each, network) for network in networks)]


def _within(inner: str, outer: object) -> bool:
    network, other = ip_network(inner), ip_network(str(outer))
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


def _networks(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield str(ip_network(text, strict=False))
        except ValueError:
            continue  # a name, a range or a set, which is not judged


def _ufw(machine: MachineState, rules: Sequence[str]) -> Finding:
    if any(re.match(r"Default: allow \(incoming\)", rule) for rule in rules):
        return fine("firewall", "ufw allows all incoming packets")
    allowed = _networks(match[1] for rule in rules if (match := _UFW_ALLOW.fullmatch(rule.strip())))
    return _judge(machine, "ufw", allowed, [f"ufw allow from {each}" for each in _sources(machine)], "ufw allow")


def _judge(machine: MachineState, name: str, allowed: Iterable[str], rules: Sequence[str], api: str) -> Finding:
    """Return a finding with the missing rules; `rules` has one rule for each source of `_sources`."""
    sources = _sources(machine)
    missing = _not_covered(sources, allowed)
    if not missing:
        return fine("firewall", f"{name} accepts packets of the cluster")
    commands = [rule for source, rule in zip(sources, rules, strict=True) if source in missing]
    says = f"{name} does not accept packets from {', '.join(missing)}, which are nodes, pods or Services of the cluster"
    return wrong("firewall", says, f"{'; '.join(commands)}{_api_rule(machine, api)}")


def _api_rule(machine: MachineState, api: str) -> str:
    """Return how clients outside the cluster reach the API of a server."""
    if machine.node.role == "agent":
        return ""
    port, lan = machine.cluster.endpoint_port, machine.cluster.lan
    commands = {
        "ufw allow": f"ufw allow from {lan} to any port {port} proto tcp",
        "firewall-cmd": f"firewall-cmd --permanent --add-port={port}/tcp; firewall-cmd --reload",
    }
    default = f"accept TCP port {port} from {lan}"
    return f"; for kubectl in the LAN: {commands.get(api, default)}"


def _firewalld(machine: MachineState, rules: Sequence[str]) -> Finding:
    """Judge firewalld: the zone `trusted` accepts all packets from its sources."""
    settings = dict(rule.strip().split(": ", 1) for rule in rules if ": " in rule)
    if settings.get("target", "").strip("%") == "ACCEPT":
        return fine("firewall", "firewalld accepts all packets in the zone of the interface")
    commands = [f"firewall-cmd --permanent --zone=trusted --add-source={each}" for each in _sources(machine)]
    return _judge(
        machine, "firewalld", _networks(machine.facts.text("trusted").split()), commands, "firewall-cmd"
    )  # fmt: skip


def _iptables(machine: MachineState, rules: Sequence[str]) -> Finding:
    accepted = list(_networks(match[1] for rule in rules if (match := _IPTABLES_ACCEPT.fullmatch(rule.strip()))))
    if chains := machine.facts.all("chain"):
        return _nftables(machine, chains)
    if not any(_DROPS.fullmatch(rule) for rule in rules):
        return fine("firewall", "none that drops packets")
    commands = [f"iptables -I INPUT -s {each} -j ACCEPT" for each in _sources(machine)]
    return _judge(machine, "iptables", accepted, commands, "iptables")


def _nftables(machine: MachineState, lines: Sequence[str]) -> Finding:
    """Judge chains of nftables; a rule that homelab does not understand can also accept the packets."""
    accepted = [part for line in lines for match in _NFT_ACCEPT.finditer(line) for part in _elements(match[1])]
    missing = _not_covered(_sources(machine), _networks(accepted))
    if not missing:
        return fine("firewall", "nftables accepts packets of the cluster")
    says = f"nftables drops incoming packets by default, and no plain rule accepts packets from {', '.join(missing)}"
    rule = f"ip saddr {{ {', '.join(missing)} }} accept"
    return note("firewall", says, f"add `{rule}` to the input chain in /etc/nftables.conf{_api_rule(machine, 'nft')}")


def _elements(text: str) -> list[str]:
    return [part.strip() for part in text.strip("{} ").split(",")]


_FIREWALLS: dict[str, Callable[[MachineState, Sequence[str]], Finding]] = {"ufw": _ufw, "firewalld": _firewalld}


def check(machine: MachineState) -> Finding:
    """Return whether the firewall accepts packets from other nodes, pods and Services, with the rules to add."""
    judge = _FIREWALLS.get(machine.facts.text("firewall"), _iptables)
    return judge(machine, machine.facts.all("rule"))


CHECKS: Sequence[Callable[[MachineState], Finding]] = (check,)
