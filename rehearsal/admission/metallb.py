"""MetalLB: pools of sound addresses that do not overlap, and routers that can be spoken to."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from rehearsal.operators.api import Objects

Json = dict[str, Any]
Bounds = tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]


def pool(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """An IPAddressPool."""
    name, namespace = thing["metadata"]["name"], thing["metadata"]["namespace"]
    entries = thing["spec"].get("addresses") or []
    if not entries:
        yield f"pool {name!r} has no addresses: at least one CIDR or address range must be given"
    own: list[tuple[str, Bounds]] = []
    for entry in entries:
        try:
            own.append((entry, bounds(entry)))
        except ValueError as error:
            yield f"invalid CIDR or range {entry!r} in pool {name!r}: {error}"
    for at, (entry, found) in enumerate(own):
        for other, theirs in own[:at]:
            if overlap(found, theirs):
                yield f"CIDR {entry!r} in pool {name!r} overlaps with already defined CIDR {other!r}"
    for each in api.items(f"/apis/metallb.io/v1beta1/namespaces/{namespace}/ipaddresspools"):
        if each["metadata"]["name"] != name:
            for other in each["spec"]["addresses"]:
                for entry, found in own:
                    if overlap(found, bounds(other)):
                        where = f"pool {each['metadata']['name']!r}"
                        yield f"CIDR {entry!r} in pool {name!r} overlaps with already defined CIDR {other!r} of {where}"


def bounds(entry: str) -> Bounds:
    """First and last address of an entry: a network or FIRST-LAST. Raises ValueError."""
    first, dash, last = entry.partition("-")
    if not dash:
        network = ip_network(entry.strip(), strict=False)
        if "/" not in entry:
            raise ValueError("an address needs a prefix length")
        return network[0], network[-1]
    start, end = ip_address(first.strip()), ip_address(last.strip())
    if start.version != end.version or int(start) > int(end):
        raise ValueError("the first address comes after the last one")
    return start, end


def overlap(one: Bounds, other: Bounds) -> bool:
    """Whether two ranges have an address in common."""
    same = one[0].version == other[0].version
    return same and int(one[0]) <= int(other[1]) and int(other[0]) <= int(one[1])


def peer(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """A BGPPeer."""
    spec = thing["spec"]
    if not spec.get("myASN"):
        yield "missing local ASN"
    if not spec.get("peerASN") and not spec.get("dynamicASN"):
        yield "missing peer ASN, or dynamicASN"
    if spec.get("peerASN") and spec.get("dynamicASN"):
        yield "both peerASN and dynamicASN given"
    address = spec.get("peerAddress")
    if bool(address) == bool(spec.get("interface")):
        yield "exactly one of peerAddress and interface must be given"
    for field in ("peerAddress", "sourceAddress", "routerID"):
        if spec.get(field) and not _is_address(str(spec[field])):
            yield f"invalid BGPPeer {field} {spec[field]!r}"
    if spec.get("password") and spec.get("passwordSecret"):
        yield "can not have both password and secret ref set in peer config"


def advertisement(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """A BGPAdvertisement."""
    spec = thing.get("spec") or {}
    for field, most in (("aggregationLength", 32), ("aggregationLengthV6", 128)):
        if not 0 < spec.get(field, most) <= most:
            yield f"invalid {field} {spec[field]}"
    for community in spec.get("communities") or ():
        if ":" in community and not re.fullmatch(r"(large:\d+:)?\d+:\d+", community):
            yield f"invalid community {community!r}"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


RULES = {"IPAddressPool": pool, "BGPPeer": peer, "BGPAdvertisement": advertisement}
