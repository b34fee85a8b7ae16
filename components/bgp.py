"""BGP of the load balancer: its settings, its routers as MetalLB's objects, and what is wrong with them."""

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Annotated

from pydantic import Field

from components.fields import Address, HostLabel, Switch
from components.layer import Finding
from components.manifest import Manifest, Tree
from components.model import Model, SecretRef

Asn = Annotated[int, Field(strict=True, ge=1, le=4294967295)]
PeerPort = Annotated[int, Field(strict=True, ge=1, le=16384)]


class PeerSettings(Model):
    """A router that every node speaks BGP with."""

    address: Address
    """Address of the router."""
    asn: Asn
    """Number of the router's autonomous system."""
    port: PeerPort = 179
    """Port of the router; MetalLB takes none above 16384."""
    password: SecretRef | None = None
    """Secret that holds the password of the session (TCP MD5)."""
    ebgp_multi_hop: Switch = False
    """Whether the router is further away than the next hop."""


class BgpSettings(Model):
    """Announcement of pools to routers."""

    asn: Asn
    """Number of the cluster's autonomous system."""
    peers: tuple[PeerSettings, ...]
    """The routers."""
    pools: tuple[HostLabel, ...] | None = None
    """Pools announced to them instead of in the lan; `default` is the one of `addresses`. Default: all."""


def custom(kind: str, metadata: Tree, spec: Tree, version: str = "v1beta1") -> Manifest:
    """Return an object of MetalLB's."""
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def passwords(bgp: BgpSettings, namespace: str) -> list[Manifest]:
    """Return the secrets of the sessions that have a password."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": _name(peer), "namespace": namespace},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"password": peer.password},
        }
        for peer in bgp.peers
        if peer.password
    ]


def peers(bgp: BgpSettings, namespace: str) -> list[Manifest]:
    """Return the routers."""
    return [_peer(bgp.asn, peer, namespace) for peer in bgp.peers]


def _peer(asn: int, peer: PeerSettings, namespace: str) -> Manifest:
    spec: dict[str, Tree] = {
        "myASN": asn,
        "peerASN": peer.asn,
        "peerAddress": peer.address,
        "peerPort": peer.port,
        "ebgpMultiHop": peer.ebgp_multi_hop,
    }
    if peer.password:
        spec["passwordSecret"] = {"name": _name(peer), "namespace": namespace}
    return custom("BGPPeer", {"name": _name(peer), "namespace": namespace}, spec, "v1beta2")


def _name(peer: PeerSettings) -> str:
    return "peer-" + ip_address(peer.address).exploded.replace(".", "-").replace(":", "-")


def problems(bgp: BgpSettings, pools: Collection[str]) -> Iterator[Finding]:
    """Yield what MetalLB would refuse, and what would announce nothing."""
    if not bgp.peers:
        yield ("bgp", "peers"), "is empty", "add the router that is to be told"
    for index, peer in enumerate(bgp.peers):
        if peer.address in [other.address for other in bgp.peers[:index]]:
            yield ("bgp", "peers", index, "address"), "is that of another peer", "keep one of them"
        if peer.ebgp_multi_hop and peer.asn == bgp.asn:
            reason = f"has no meaning within one autonomous system, {bgp.asn}"
            yield ("bgp", "peers", index, "ebgpMultiHop"), reason, "leave it out"
    for index, name in enumerate(bgp.pools or ()):
        if name not in pools:
            yield ("bgp", "pools", index), "is not a pool", f"use one of: {', '.join(pools)}"
