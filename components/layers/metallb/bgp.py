"""Settings of MetalLB's BGP mode, checks of these settings, and BGPPeer objects."""

from collections.abc import Collection, Iterator
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from components.cluster.settings import ClusterSettings
from components.kubernetes.manifest import Json, Manifest
from components.settings.errors import Finding, setting_error
from components.settings.fields import Address, DnsLabel, StrictBool
from components.settings.model import Model, SecretRef

_RESERVED_ASNS = {
    23456: "is reserved for AS_TRANS (RFC 6793)",
    65535: "is reserved as the last 16-bit ASN (RFC 7300)",
    4294967295: "is reserved as the last 32-bit ASN (RFC 7300)",
}
DOCUMENTATION_ASNS = (range(64496, 64512), range(65536, 65552))
"""ASNs for documentation (RFC 5398). BGP in a LAN also works with these ASNs, so homelab only warns."""


def _asn(value: int) -> int:
    if value in _RESERVED_ASNS:
        raise setting_error(_RESERVED_ASNS[value], "use a private ASN: 64512 to 65534, or 4200000000 to 4294967294")
    return value


Asn = Annotated[int, Field(strict=True, ge=1, le=4294967295), AfterValidator(_asn)]
PeerPort = Annotated[int, Field(strict=True, ge=1, le=16384)]
HoldTime = Annotated[int, Field(strict=True, ge=3, le=65535)]


class PeerSettings(Model):
    """Settings of a BGP router, with which every node has a BGP session."""

    address: Address
    """IP address of the router."""
    asn: Asn
    """Autonomous system number (ASN) of the BGP router."""
    port: PeerPort = 179
    """BGP port of the router. MetalLB accepts no port above 16384."""
    password: SecretRef | None = None
    """Pulumi secret that contains the password of the BGP session (TCP MD5)."""
    ebgp_multi_hop: StrictBool = False
    """Whether the router is more than one hop away from the nodes, so that eBGP needs multi-hop."""
    hold_time: HoldTime = 9
    """Hold time of the BGP session in seconds: after this time without messages from a node, for example after a power
    failure, the router removes its routes to the node. The router and MetalLB use the shorter one of their hold
    times."""


class BgpSettings(Model):
    """Settings of MetalLB's BGP mode, in which MetalLB announces address pools to routers."""

    asn: Asn
    """Autonomous system number (ASN) of the cluster in BGP."""
    peers: tuple[PeerSettings, ...]
    """BGP routers to which MetalLB announces the address pools."""
    pools: tuple[DnsLabel, ...] | None = None
    """Names of the address pools that MetalLB announces through BGP. MetalLB announces all other address pools in layer
    2. The pool of the setting `addresses` has the name `default`. Default: all pools."""


def custom_resource(kind: str, metadata: Json, spec: Json, version: str = "v1beta1") -> Manifest:
    """Return a custom resource of MetalLB."""
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "metadata": metadata, "spec": spec}


def password_secrets(bgp: BgpSettings, namespace: str) -> list[Manifest]:
    """Return the Kubernetes Secrets that contain the passwords of BGP sessions."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": _object_name(peer), "namespace": namespace},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"password": peer.password},
        }
        for peer in bgp.peers
        if peer.password
    ]


def peer_label(address: str) -> str:
    """Return the IP address of a peer in the format that BGPSessionStates use in `status.peer`."""
    return ip_address(address).exploded.replace(":", "-")


def peers(bgp: BgpSettings, namespace: str) -> list[Manifest]:
    """Return a BGPPeer object for each BGP router."""
    return [_peer(bgp.asn, peer, namespace) for peer in bgp.peers]


def _peer(asn: int, peer: PeerSettings, namespace: str) -> Manifest:
    spec: dict[str, Json] = {
        "myASN": asn,
        "peerASN": peer.asn,
        "peerAddress": peer.address,
        "peerPort": peer.port,
        "ebgpMultiHop": peer.ebgp_multi_hop,
        "holdTime": f"{peer.hold_time}s",
    }
    if peer.password:
        spec["passwordSecret"] = {"name": _object_name(peer), "namespace": namespace}
    return custom_resource("BGPPeer", {"name": _object_name(peer), "namespace": namespace}, spec, "v1beta2")


def _object_name(peer: PeerSettings) -> str:
    return "peer-" + peer_label(peer.address).replace(".", "-")


def findings(bgp: BgpSettings, pools: Collection[str], cluster: ClusterSettings) -> Iterator[Finding]:
    """Yield an error for each BGP setting that MetalLB rejects or ignores, and for each peer that is no router."""
    nodes = {address: node.name for node in cluster.nodes for address in node.addresses}
    if not bgp.peers:
        yield ("bgp", "peers"), "is empty", "add a router"
    for index, peer in enumerate(bgp.peers):
        if peer.address in [other.address for other in bgp.peers[:index]]:
            yield ("bgp", "peers", index, "address"), "is also the address of another peer", "keep one of them"
        if peer.address in nodes:
            reason = f"is the address of {nodes[peer.address]}, on which MetalLB itself runs"
            yield ("bgp", "peers", index, "address"), reason, "write the address of your router"
        elif peer.address == cluster.api.vip:
            yield ("bgp", "peers", index, "address"), "is the virtual IP of the API", "write the address of your router"
        if peer.ebgp_multi_hop and peer.asn == bgp.asn:
            reason = f"is only for eBGP, but this peer has the cluster's own asn, {bgp.asn}"
            yield ("bgp", "peers", index, "ebgpMultiHop"), reason, "remove it"
    for index, name in enumerate(bgp.pools or ()):
        if name not in pools:
            yield ("bgp", "pools", index), "is not a pool", f"use one of: {', '.join(pools)}"
