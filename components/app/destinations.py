"""Peers of NetworkPolicies, and egress rules that allow connections to the Kubernetes API and to object stores.

Kubernetes translates the IP address of a Service into the address of an endpoint before NetworkPolicies apply.
NetworkPolicy rules for the Kubernetes API must therefore allow the servers' IP addresses, not the Service's IP address.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.app.objects import NAMESPACE_LABEL
from components.cluster.settings import API_PORT
from components.kubernetes.manifest import Json

_PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
PUBLIC_PEERS: list[Json] = [
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}},
    {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
]
"""Peers that match all public addresses."""
_NODE_LOCAL = ("127.0.0.0/8", "169.254.0.0/16", "fe80::/10")
"""Loopback and link-local CIDRs."""


def api_rule(nodes: Sequence[Mapping[str, Any]]) -> Json:
    """Return a NetworkPolicy egress rule that allows connections to the Kubernetes API on every server."""
    servers = [ip_peer(node["address"]) for node in nodes if node["role"] == "server"]
    if not servers:
        raise pulumi.RunError(
            "the platform's outputs list no server, but the app needs the servers' Kubernetes API: "
            "run `pulumi up` on the platform's stack"
        )
    return {"to": servers, "ports": _tcp(API_PORT)}


def object_store_rule(url: str, inside: Sequence[str]) -> Json:
    """Return a NetworkPolicy egress rule that allows connections to an object store. The parameter `inside` lists the
    cluster's pod CIDRs and Service CIDRs.

    A Kubernetes NetworkPolicy cannot match host names. If the object store's URL contains a host name, the rule allows
    every IP address outside the cluster.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return {"to": _peers(host, inside), "ports": _tcp(parts.port or {"http": 80}.get(parts.scheme, 443))}


def _peers(host: str, inside: Sequence[str]) -> list[Json]:
    if service := re.fullmatch(r"[^.]+\.([^.]+)\.svc(\.cluster\.local)?", host):
        return [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: service[1]}}}]
    if host.endswith(".amazonaws.com"):
        return PUBLIC_PEERS
    try:
        return [ip_peer(host)]
    except ValueError:
        return peers_outside([*inside, *_NODE_LOCAL])


def peers_outside(inside: Sequence[str]) -> list[Json]:
    """Return NetworkPolicy peers that match every IP address outside the CIDRs in `inside`."""
    return [_all_except(cidr, inside) for cidr in ("0.0.0.0/0", "::/0")]


def ip_peer(address: str) -> Json:
    """Return a NetworkPolicy peer that matches one IP address.

    Raises `ValueError` if the parameter `address` is not an IP address.
    """
    return {"ipBlock": {"cidr": str(ip_network(ip_address(address)))}}


def _all_except(cidr: str, networks: Sequence[str]) -> Json:
    version = ip_network(cidr).version
    return {
        "ipBlock": {"cidr": cidr, "except": [network for network in networks if ip_network(network).version == version]}
    }


def _tcp(port: int) -> list[Json]:
    return [{"protocol": "TCP", "port": port}]
