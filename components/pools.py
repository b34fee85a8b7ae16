"""Pools of addresses: what is wrong between their ranges, and between them and the cluster."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, ip_network
from itertools import combinations

from components.addresses import IP, bounds, is_address, overlap
from components.lab import ClusterSettings
from components.layer import Finding

Place = tuple[str | int, ...]
"""Where something stands below the layer's key."""
Range = tuple[Place, str]
"""A range in canonical form, and where it stands."""


def is_avoided(address: IP) -> bool:
    """Whether no pool gives it out: old devices take IPv4 addresses that end in 0 or 255 for broadcasts."""
    return address.version == 4 and int(address) % 256 in (0, 255)


def first(ranges: Iterable[str], version: int) -> str | None:
    """Return the first address of a family that is given out, None without any."""
    for low, high in map(bounds, ranges):
        for address in (low, low + 1, low + 2):
            if address.version == version and int(address) <= int(high) and not is_avoided(address):
                return str(address)
    return None


def holds(ranges: Iterable[str], address: str) -> bool:
    """Whether one of the ranges gives out that address."""
    return not is_avoided(bounds(address)[0]) and any(overlap(each, address) for each in ranges)


def shared(ranges: Iterable[Range]) -> Iterator[Finding]:
    """Yield ranges that have an address in common."""
    for (_, one), (place, other) in combinations(ranges, 2):
        if overlap(one, other):
            yield place, f"shares addresses with {one}", "give every address to one range of one pool"


def taken(ranges: Iterable[Range], cluster: ClusterSettings) -> Iterator[Finding]:
    """Yield ranges with addresses in them that are the cluster's own."""
    owners = [(address, f"the address of {node.name}") for node in cluster.nodes for address in node.addresses]
    api = cluster.api.vip or cluster.api.external
    owners += [(api, "the address of the API")] if api and is_address(api) else []
    owners += [(network, "a network of the pods") for network in cluster.network.pods]
    owners += [(network, "a network of the Services") for network in cluster.network.services]
    for place, entry in ranges:
        for owned, name in owners:
            if overlap(entry, owned):
                yield place, f"takes in {owned}, {name}", "choose addresses that nothing has"


def outside(ranges: Iterable[Range], cluster: ClusterSettings) -> Iterator[Finding]:
    """Yield ranges that machines of the lan would not look for on their own wire."""
    network = ip_network(cluster.lan)
    edged = isinstance(network, IPv4Network) and network.num_addresses > 2
    edges = [network.network_address, network.broadcast_address] if edged else []
    for place, entry in ranges:
        low, high = bounds(entry)
        if low.version == network.version and not (low in network and high in network):
            fix = "choose addresses of the lan, set cluster.lan, or announce the pool through bgp"
            yield place, f"is not in the lan {network}", fix
        for edge in edges:
            if overlap(entry, str(edge)) and not is_avoided(edge):
                yield place, f"takes in {edge}, which belongs to the lan {network} as a whole", "leave it out"
