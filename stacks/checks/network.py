"""Relations between the networks inside the cluster, the lan, and the nodes' addresses."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from itertools import combinations

from components.lab import ClusterSettings, NodeSettings
from stacks.checks.found import Findings

_POD_BLOCK = {4: 24, 6: 64}
_POD_PREFIX = {4: (8, 24), 6: (48, 64)}
_SERVICE_PREFIX = {4: (12, 27), 6: (108, 122)}


def _of(entries: tuple[str, ...]) -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry) for entry in entries]


def _families(entries: tuple[str, ...]) -> str:
    return " and ".join(f"IPv{network.version}" for network in _of(entries))


def _stack(cluster: ClusterSettings) -> Findings:
    for key, entries in (("pods", cluster.network.pods), ("services", cluster.network.services)):
        versions = [network.version for network in _of(entries)]
        if len(versions) not in (1, 2) or len(set(versions)) < len(versions):
            fix = "give one network, or one of IPv4 and one of IPv6"
            yield ("network", key), f"has {_families(entries) or 'no network'}", fix
            return
    pods, services = _families(cluster.network.pods), _families(cluster.network.services)
    if pods != services:
        reason = f"is {services} where pods is {pods}"
        yield ("network", "services"), reason, "give both the same families in the same order"


def _apart(cluster: ClusterSettings) -> Findings:
    named = [("lan", entry) for entry in _of((cluster.lan,))]
    named += [("network.pods", entry) for entry in _of(cluster.network.pods)]
    named += [("network.services", entry) for entry in _of(cluster.network.services)]
    for (first, one), (second, other) in combinations(named, 2):
        if first != second and one.overlaps(other):
            loc = tuple(second.split("."))
            yield loc, f"overlaps {first}: {other} and {one}", "choose networks that share no address"


def _sizes(cluster: ClusterSettings) -> Findings:
    for key, allowed in (("pods", _POD_PREFIX), ("services", _SERVICE_PREFIX)):
        for index, entry in enumerate(_of(getattr(cluster.network, key))):
            low, high = allowed[entry.version]
            if not low <= entry.prefixlen <= high:
                reason = f"has prefix length {entry.prefixlen}, which Kubernetes does not take"
                yield ("network", key, index), reason, f"use /{low} to /{high}"


def _room(cluster: ClusterSettings) -> Findings:
    for index, entry in enumerate(_of(cluster.network.pods)):
        block = _POD_BLOCK[entry.version]
        if entry.prefixlen <= block and 2 ** (block - entry.prefixlen) < len(cluster.nodes):
            reason = f"has room for {2 ** (block - entry.prefixlen)} of {len(cluster.nodes)} nodes"
            yield ("network", "pods", index), reason, f"choose a larger network: every node takes a /{block}"


def _backend(cluster: ClusterSettings) -> Findings:
    if cluster.network.cni == "none" and "flannel_backend" in cluster.network.model_fields_set:
        yield ("network", "flannelBackend"), "has no effect with cni none", "leave it out, or set cni: flannel"


def _family(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    version, wanted = ip_address(node.address).version, next((each.version for each in _of(cluster.network.pods)), None)
    if wanted and version != wanted:
        reason = f"is IPv{version} where network.pods begins with IPv{wanted}"
        yield ("address",), reason, f"give its IPv{wanted} address, or networks that begin with IPv{version}"


def _second(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    if not cluster.network.dual_stack:
        if node.second_address is not None:
            fix = "leave it out, or give network.pods and network.services a second network"
            yield ("secondAddress",), "has no use: the cluster is not dual stack", fix
        return
    wanted = _of(cluster.network.pods)[1].version
    if wanted == _of(cluster.network.pods)[0].version:
        return
    if node.second_address is None:
        yield ("secondAddress",), "is missing: the cluster is dual stack", f"add the node's IPv{wanted} address"
    elif ip_address(node.second_address).version != wanted:
        yield ("secondAddress",), "is of the same family as address", f"give its IPv{wanted} address"


def _outside(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    address, lan = ip_address(node.address), ip_network(cluster.lan)
    for key in ("pods", "services"):
        for entry in _of(getattr(cluster.network, key)):
            if address in entry and not entry.overlaps(lan):
                yield ("address",), f"lies in network.{key} {entry}", "choose networks without any machine in them"
    if cluster.network.flannel_backend == "host-gw" and cluster.network.cni == "flannel" and address not in lan:
        fix = "set lan, or use another network.flannelBackend"
        yield ("address",), f"is not in the lan {lan}, which flannel's host-gw needs", fix


OF_CLUSTER = (_stack, _apart, _sizes, _room, _backend)
OF_NODE = (_family, _second, _outside)
