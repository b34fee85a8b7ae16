"""Checks for conflicts between pod CIDRs, Service CIDRs, the LAN and the addresses of nodes."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations

from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.addresses import edge_of
from components.settings.errors import Findings
from stacks.checks.k3s_network import node_cidr_mask_size

_SERVICE_PREFIX = {4: (12, 27), 6: (108, 122)}


def _networks(entries: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry) for entry in entries]


def _families(entries: tuple[str, ...]) -> str:
    return " and ".join(f"IPv{network.version}" for network in _networks(entries))


def _ip_families(cluster: ClusterSettings) -> Findings:
    for key, entries in (("pods", cluster.network.pods), ("services", cluster.network.services)):
        versions = [network.version for network in _networks(entries)]
        if len(versions) not in (1, 2) or len(set(versions)) < len(versions):
            fix = "write one CIDR, or one IPv4 CIDR and one IPv6 CIDR"
            yield ("network", key), f"has {_families(entries) or 'no CIDR'}", fix
            return
    pods, services = _families(cluster.network.pods), _families(cluster.network.services)
    if pods != services:
        reason = f"is {services}, but pods is {pods}"
        yield ("network", "services"), reason, "use the same IP families in the same order for pods and services"


def _overlaps(cluster: ClusterSettings) -> Findings:
    cidrs = [("lan", entry) for entry in _networks((cluster.lan,))]
    cidrs += [("network.pods", entry) for entry in _networks(cluster.network.pods)]
    cidrs += [("network.services", entry) for entry in _networks(cluster.network.services)]
    for (first, one), (second, other) in combinations(cidrs, 2):
        if first != second and one.overlaps(other):
            loc = tuple(second.split("."))
            yield loc, f"overlaps {first}: {other} and {one}", "choose CIDRs that do not overlap"


def _prefix_lengths(cluster: ClusterSettings) -> Findings:
    for key in ("pods", "services"):
        for index, entry in enumerate(_networks(getattr(cluster.network, key))):
            shortest, longest = (
                _pod_prefixes(cluster, entry.version) if key == "pods" else _SERVICE_PREFIX[entry.version]
            )
            if not shortest <= entry.prefixlen <= longest:
                reason = f"has prefix length {entry.prefixlen}, which Kubernetes does not support"
                fix = f"use /{shortest} to /{longest}"
                if key == "pods" and entry.version == 6 and entry.prefixlen > longest:
                    argument = f"node-cidr-mask-size{'-ipv6' if cluster.network.dual_stack else ''}=120"
                    fix += f", or set {argument} in kube-controller-manager-arg under k3s.serverOptions"
                yield ("network", key, index), reason, fix


def _pod_prefixes(cluster: ClusterSettings, version: int) -> tuple[int, int]:
    """Return the shortest and the longest prefix length of a pod CIDR.

    Kubernetes splits a pod CIDR into one block per node, and an IPv6 CIDR into at most 2^16 blocks.
    """
    block = node_cidr_mask_size(cluster, version)
    return (8, block) if version == 4 else (block - 16, block)


def _pod_cidr_capacity(cluster: ClusterSettings) -> Findings:
    for index, entry in enumerate(_networks(cluster.network.pods)):
        block = node_cidr_mask_size(cluster, entry.version)
        if entry.prefixlen <= block and 2 ** (block - entry.prefixlen) < len(cluster.nodes):
            reason = f"has room for {2 ** (block - entry.prefixlen)} of {len(cluster.nodes)} nodes"
            yield ("network", "pods", index), reason, f"choose a larger CIDR: every node needs its own /{block}"


def _backend(cluster: ClusterSettings) -> Findings:
    if cluster.network.cni == "none" and "flannel_backend" in cluster.network.model_fields_set:
        yield ("network", "flannelBackend"), "has no effect with cni: none", "leave it out, or set cni: flannel"


def _address_family(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    version = ip_address(node.address).version
    required = next((network.version for network in _networks(cluster.network.pods)), None)
    if required and version != required:
        reason = f"is IPv{version}, but the first CIDR of network.pods is IPv{required}"
        yield (
            ("address",),
            reason,
            f"use the node's IPv{required} address, or put the IPv{version} CIDR first in network.pods and services",
        )


def _second_address(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    if not cluster.network.dual_stack:
        if node.second_address is not None:
            fix = "remove the setting, or add a second CIDR to network.pods and network.services"
            yield ("secondAddress",), "has no effect: the cluster is not dual-stack", fix
        return
    required = _networks(cluster.network.pods)[1].version
    if required == _networks(cluster.network.pods)[0].version:
        return
    if node.second_address is None:
        yield ("secondAddress",), "is missing: the cluster is dual-stack", f"add the node's IPv{required} address"
    elif ip_address(node.second_address).version != required:
        yield ("secondAddress",), "has the same IP family as address", f"use the node's IPv{required} address"


def _address_outside_cidrs(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    address, lan = ip_address(node.address), ip_network(cluster.lan)
    for key in ("pods", "services"):
        for entry in _networks(getattr(cluster.network, key)):
            if address in entry and not entry.overlaps(lan):
                yield ("address",), f"is in network.{key} {entry}", "choose CIDRs that contain no machine's address"
    if cluster.network.flannel_backend == "host-gw" and cluster.network.cni == "flannel" and address not in lan:
        fix = "set lan to the CIDR of your LAN, or use another network.flannelBackend"
        yield ("address",), f"is not in the lan {lan}, but flannel's host-gw needs all nodes in the lan", fix


def _edge_address(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    for key, address in (("address", node.address), ("secondAddress", node.second_address)):
        if address and (edge := edge_of(address, cluster.lan)):
            fix = "use the address that `ip address` shows on the machine, or set lan to the CIDR of the whole LAN"
            yield (key,), f"is the {edge} address of the lan {cluster.lan}", fix


CLUSTER_CHECKS = (_ip_families, _overlaps, _prefix_lengths, _pod_cidr_capacity, _backend)
NODE_CHECKS = (_address_family, _second_address, _address_outside_cidrs, _edge_address)
