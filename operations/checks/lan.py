"""Checks how a machine depends on the network around it: its address, DNS, the virtual IP of the Kubernetes API."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from operations.checks.machine_state import MachineState
from operations.findings import Finding, fine, note, wrong


def _wireless(machine: MachineState) -> Finding:
    facts, check = machine.facts, "Wi-Fi"
    if not facts.is_yes("wireless"):
        return fine(check, "not used")
    device = facts.text("device")
    announces = machine.layer_2 or (machine.node.role == "server" and machine.cluster.api.vip)
    if not announces:
        return fine(check, f"{device} announces no IP address")
    says = f"{device} is Wi-Fi, and many access points and cards drop the ARP packets of load-balancer IPs and VIPs"
    fix = f"use a cable; if other machines do not reach an IP address on this node: ip link set {device} promisc on"
    return note(check, says, fix)


def _dynamic_address(machine: MachineState) -> Finding:
    facts = machine.facts
    if not facts.is_yes("dynamic"):
        return fine("static address", "yes")
    says = f"the address {machine.node.address} is a lease of a DHCP server, and K3s stops working if it changes"
    return note("static address", says, "reserve the address in your router, or configure it on the machine")


def _search_domains(machine: MachineState) -> Finding:
    """Report search domains in which every name has an address: pods then reach it instead of hosts on the Internet."""
    check = "search domains"
    for line in machine.facts.all("search"):
        domain, _, address = line.partition(" ")
        zone = next((each for each in machine.wildcard_zones if f".{domain.rstrip('.')}".endswith(f".{each}")), None)
        if not (address or zone):
            continue
        answer = address or f"an address of the wildcard zone {zone} of the layer coredns"
        says = (
            f"every name in the search domain {domain} resolves to {answer}. Pods append search domains to names with "
            f"few dots, so a pod that connects to github.com can reach github.com.{domain.rstrip('.')} instead"
        )
        fix = f"remove {domain} from the search domains of the machine (`search` in /etc/resolv.conf, domain of DHCP)"
        return wrong(check, says, fix)
    return fine(check, "no wildcard answers")


def _names(machine: MachineState) -> Finding:
    """Report that cloud-init replaces the entry of the machine's name in /etc/hosts at every boot."""
    other = machine.facts.text("hosts-rewritten-for")
    if not other:
        return fine("names", "no program rewrites /etc/hosts")
    says = f"cloud-init rewrites /etc/hosts for {other} at every boot (manage_etc_hosts), without {machine.node.name}"
    fix = (
        f"name the machine {machine.node.name} in cloud-init's user data, or run `touch /etc/cloud/cloud-init.disabled`"
    )
    return note("names", says, fix)


CHECKS: Sequence[Callable[[MachineState], Finding]] = (_names, _wireless, _dynamic_address, _search_domains)


def virtual_ip_conflicts(states: Mapping[str, MachineState]) -> dict[str, Finding]:
    """Return a finding for each machine that holds the virtual IP although another machine holds it as well.

    A machine that is not part of the lab shows itself by its MAC address in the ARP caches of the machines.
    """
    states = {name: state for name, state in states.items() if state.facts.text("vip-held")}
    known = {state.facts.text("mac") for state in states.values()}
    holders = {name: state.facts.text("mac") for name, state in states.items() if state.facts.is_yes("vip-held")}
    findings = {}
    for name in holders:
        others = ", ".join(sorted(holders.keys() - {name}))
        if others:
            says = f"the machine holds the virtual IP {states[name].cluster.api.vip}, but {others} holds it, too"
            fix = "check that the servers reach each other (firewalls must accept the IP protocol VRRP, number 112)"
            findings[name] = wrong("virtual IP", says, f"{fix}: journalctl -u keepalived")
    for name, state in states.items():
        neighbour = state.facts.text("vip-neighbour")
        if name not in holders and neighbour and neighbour not in known:
            says = f"a machine with the MAC address {neighbour} answers for the virtual IP {state.cluster.api.vip}"
            findings[name] = wrong("virtual IP", says, "change the address of that machine, or choose another api.vip")
    return findings


def mtu_differences(states: Mapping[str, MachineState]) -> dict[str, Finding]:
    """Return a note for each machine whose network interface has another MTU than those of most machines."""
    mtus = {name: state.facts.text("mtu") for name, state in states.items() if state.facts.text("mtu")}
    if len(set(mtus.values())) < 2:
        return {}
    # of two that are equally frequent, the default MTU of Ethernet is the smaller one in practice
    usual = max(Counter(mtus.values()).items(), key=lambda item: (item[1], -int(item[0])))[0]
    findings = {}
    for name, mtu in mtus.items():
        if mtu != usual:
            device = states[name].facts.text("device")
            says = (
                f"the MTU of {device} is {mtu}, but {usual} on most nodes, so large packets between nodes can be lost"
            )
            findings[name] = note("MTU", says, "set the same MTU on all nodes, which all switches between them support")
    return findings
