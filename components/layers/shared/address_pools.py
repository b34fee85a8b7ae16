"""Checks of address pools: their ranges must not overlap each other or addresses of the cluster."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from itertools import combinations

from components.cluster.settings import ClusterSettings
from components.kubernetes.manifest import Json
from components.layers.nfs import NfsSettings
from components.platform.layer import LabContext
from components.settings.addresses import IP, bounds, is_address, overlap
from components.settings.errors import Finding, SettingPath

Range = tuple[SettingPath, str]
"""Path of an address range in the settings, and the address range in canonical form."""


def is_skipped(address: IP) -> bool:
    """Whether a pool never assigns the address.

    Some old devices treat addresses ending in .0 or .255 as broadcast addresses.
    """
    return address.version == 4 and int(address) % 256 in (0, 255)


def first_address(ranges: Iterable[str], version: int) -> str | None:
    """Return the first address of the IP version `version` (4 or 6) that a pool with these ranges can assign, or
    None."""
    for low, high in map(bounds, ranges):
        for address in (low, low + 1, low + 2):
            if address.version == version and int(address) <= int(high) and not is_skipped(address):
                return str(address)
    return None


def count_assignable(ranges: Iterable[str], version: int) -> int:
    """Return the number of addresses of the IP version `version` (4 or 6) that a pool with these ranges can assign.

    homelab's pools do not assign IPv4 addresses that end in .0 or .255.
    """
    count = 0
    for low, high in map(bounds, ranges):
        if low.version == version:
            first, last = int(low), int(high)
            skipped = (last // 256 - (first - 1) // 256) + ((last + 1) // 256 - first // 256) if version == 4 else 0
            count += last - first + 1 - skipped
    return count


def can_assign(ranges: Iterable[str], address: str) -> bool:
    """Whether a pool with these ranges can assign the address."""
    return not is_skipped(bounds(address)[0]) and any(overlap(entry, address) for entry in ranges)


def range_overlaps(ranges: Iterable[Range]) -> Iterator[Finding]:
    """Yield an error for each address range that overlaps another address range."""
    for (_, one), (path, other) in combinations(ranges, 2):
        if overlap(one, other):
            yield path, f"overlaps {one}", "list each address in only one range of one pool"


def cluster_conflicts(
    ranges: Iterable[Range], lab: LabContext, routers: Iterable[str] = (), *, on_request: bool = False
) -> Iterator[Finding]:
    """Yield an error for each address range that contains an address which the lab already uses.

    Used addresses are those of nodes, the API, bastions, the NFS server, BGP routers (`routers`), pods and Services. A
    range that Services get only `on_request` may contain the NFS server, because it can be such a Service.
    """
    owners = [
        *_used_hosts(lab),
        *(() if on_request else _nfs_server(lab)),
        *((router, "a BGP router") for router in routers),
    ]
    owners += [(network, "a pod CIDR") for network in lab.cluster.network.pods]
    owners += [(network, "a Service CIDR") for network in lab.cluster.network.services]
    for path, entry in ranges:
        for owned, name in owners:
            if overlap(entry, owned):
                yield path, f"contains {owned}, {name}", "choose unused addresses"


def _used_hosts(lab: LabContext) -> Iterator[tuple[str, str]]:
    cluster = lab.cluster
    for node in cluster.nodes:
        yield from ((address, f"the address of {node.name}") for address in node.addresses)
    hosts = [(cluster.api.vip or cluster.api.external, "the address of the API")]
    hosts += [(bastion.address, "the address of a bastion") for bastion in cluster.bastions]
    named = {node_address for node in cluster.nodes for node_address in node.addresses}
    yield from ((host, name) for host, name in hosts if host and is_address(host) and host not in named)


def _nfs_server(lab: LabContext) -> Iterator[tuple[str, str]]:
    nfs = lab.settings_of(NfsSettings)
    for server in nfs.external_servers if nfs else ():
        if is_address(server.address):
            yield server.address, "the address of the NFS server"


def announcing_nodes(cluster: ClusterSettings) -> list[str]:
    """Return the names of the nodes in the LAN. Only these nodes can announce addresses in layer 2."""
    lan = cluster.lan
    return [node.name for node in cluster.nodes if any(overlap(address, lan) for address in node.addresses)]


def announcing_node_selector(cluster: ClusterSettings) -> dict[str, Json] | None:
    """Return a label selector of the nodes in the LAN, or None if all nodes are in the LAN."""
    names = announcing_nodes(cluster)
    if len(names) == len(cluster.nodes):
        return None
    return {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": names}]}


def ranges_outside_lan(ranges: Iterable[Range], cluster: ClusterSettings) -> Iterator[Finding]:
    """Yield an error for each address range outside the LAN, because machines cannot reach it in layer 2."""
    network = ip_network(cluster.lan)
    has_edges = isinstance(network, IPv4Network) and network.num_addresses > 2
    edges = [network.network_address, network.broadcast_address] if has_edges else []
    announced_by = announcing_nodes(cluster)
    for path, entry in ranges:
        low, high = bounds(entry)
        if not announced_by:
            fix = "set cluster.lan to the CIDR of the nodes, or announce the pool over BGP (bgp)"
            yield path, f"cannot be announced in layer 2: no node is in the lan {network}", fix
        if low.version == network.version and not (low in network and high in network):
            fix = "choose addresses in the lan, set cluster.lan, or announce the pool over BGP (bgp)"
            yield path, f"is not in the lan {network}", fix
        for edge in edges:
            if overlap(entry, str(edge)) and not is_skipped(edge):
                yield path, f"contains {edge}, the network or broadcast address of the lan {network}", "exclude it"
