"""Where databases of apps connect to, as far as a NetworkPolicy can say it: addresses, and namespaces.

Policies are kept behind the translation of Services, so the API is where its servers are.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components.app.objects import NAMESPACE_LABEL
from components.manifest import Tree

API_PORT = 6443
_PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
PUBLIC: list[Tree] = [
    {"ipBlock": {"cidr": "0.0.0.0/0", "except": _PRIVATE}},
    {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
]
"""The Internet."""
_OWN = ("127.0.0.0/8", "169.254.0.0/16", "fe80::/10")
"""Networks of a machine itself."""


def api(nodes: Sequence[Mapping[str, Any]]) -> Tree:
    """A rule for the API, on each server."""
    servers = [block(node["address"]) for node in nodes if node["role"] == "server"]
    if not servers:
        raise pulumi.RunError(
            "the platform names no server, whose API its databases need: run `pulumi up` on its stack"
        )
    return {"to": servers, "ports": _tcp(API_PORT)}


def store(url: str, inside: Sequence[str]) -> Tree:
    """A rule for an object store; `inside` are the networks in the cluster.

    The address of a name is known to DNS alone, so it may be any but those in the cluster.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    return {"to": _peers(host, inside), "ports": _tcp(parts.port or {"http": 80}.get(parts.scheme, 443))}


def _peers(host: str, inside: Sequence[str]) -> list[Tree]:
    if service := re.fullmatch(r"[^.]+\.([^.]+)\.svc(\.cluster\.local)?", host):
        return [{"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: service[1]}}}]
    if host.endswith(".amazonaws.com"):
        return PUBLIC
    try:
        return [block(host)]
    except ValueError:
        return outside([*inside, *_OWN])


def outside(inside: Sequence[str]) -> list[Tree]:
    """Peers: all addresses but those of these networks."""
    return [_all_but(cidr, inside) for cidr in ("0.0.0.0/0", "::/0")]


def block(address: str) -> Tree:
    """A peer: one address. Raises `ValueError` if it is none."""
    return {"ipBlock": {"cidr": str(ip_network(ip_address(address)))}}


def _all_but(cidr: str, networks: Sequence[str]) -> Tree:
    version = ip_network(cidr).version
    return {"ipBlock": {"cidr": cidr, "except": [each for each in networks if ip_network(each).version == version]}}


def _tcp(port: int) -> list[Tree]:
    return [{"protocol": "TCP", "port": port}]
