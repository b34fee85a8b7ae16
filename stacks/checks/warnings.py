"""Warnings about settings that are right in some labs, and wrong in most labs."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from components.cluster.settings import ClusterSettings
from components.layers.cilium import CiliumSettings
from components.layers.metallb.bgp import DOCUMENTATION_ASNS
from components.layers.metallb.layer import MetalLBSettings
from components.layers.shared import address_pools
from components.settings.addresses import is_address, overlap
from components.settings.errors import Findings, SettingPath
from components.settings.model import Model, camel_case
from stacks.checks.option_warnings import option_warnings
from stacks.platform_settings import PlatformSettings
from stacks.validation_errors import Problem, display_path

_SERVERS = ("chart_mirror", "endpoint", "endpoints", "forward", "mirror", "nameserver", "nameservers", "server")
"""Settings that name a server in the LAN, which can also be a Service of the cluster at a load-balancer IP."""


def lab_warnings(cluster: ClusterSettings, platform: PlatformSettings) -> Iterator[Problem]:
    """Yield a warning for each setting that is wrong in most labs."""
    sections = (("cluster", _cluster(cluster, platform)), ("platform", _platform(cluster, platform)))
    for section, found in sections:
        for loc, reason, fix in found:
            yield Problem(display_path((section, *loc), None), reason, fix)


def _nodes_outside_default_lan(cluster: ClusterSettings) -> Findings:
    """Yield a warning if the stack file does not set `lan`, and nodes outside its default, a /24 subnet, announce no
    load-balancer IPs."""
    if "lan" in cluster.model_fields_set:
        return
    lan, inside = ip_network(cluster.lan), address_pools.announcing_nodes(cluster)
    outside = [node for node in cluster.nodes if node.name not in inside]
    names = [node.name for node in outside if any(_is_local(address, lan.version) for address in node.addresses)]
    if names:
        reason = f"is {lan} by default, so these nodes announce no load-balancer IPs in layer 2: {', '.join(names)}"
        fix = "set lan to the CIDR of the whole LAN, or keep the default if these nodes are in another network"
        yield ("lan",), reason, fix


def _is_local(address: str, version: int) -> bool:
    value = ip_address(address)
    return value.version == version and not value.is_global


def _cluster(cluster: ClusterSettings, platform: PlatformSettings) -> Findings:
    yield from _public_pod_network(cluster)
    if _announces_in_layer_2(cluster, platform):
        yield from _nodes_outside_default_lan(cluster)
    yield from option_warnings(cluster)


def _announces_in_layer_2(cluster: ClusterSettings, platform: PlatformSettings) -> bool:
    lab = platform.lab(cluster)
    metallb, cilium = lab.settings_of(MetalLBSettings), lab.settings_of(CiliumSettings)
    layer_2 = metallb and not all(map(metallb.announced_by_bgp, metallb.all_pools()))
    return bool(layer_2 or (cilium and cilium.addresses))


def _platform(cluster: ClusterSettings, platform: PlatformSettings) -> Findings:
    metallb = platform.lab(cluster).settings_of(MetalLBSettings)
    if metallb:
        yield from _pools_with_servers(metallb, cluster, platform)
        yield from _documentation_asns(metallb)


def _public_pod_network(cluster: ClusterSettings) -> Findings:
    """Yield a warning if flannel sends pod traffic in clear text between machines with public addresses.

    Machines in a home LAN usually have public IPv6 addresses, so the check ignores IPv6 addresses in the LAN.
    """
    network, lan = cluster.network, ip_network(cluster.lan)
    if network.cni != "flannel" or network.flannel_backend == "wireguard-native" or len(cluster.nodes) < 2:
        return
    addresses = {node.name: ip_address(node.address) for node in cluster.nodes}
    public = [name for name, each in addresses.items() if each.is_global and (each.version == 4 or each not in lan)]
    if public:
        reason = f"{network.flannel_backend} does not encrypt pod traffic, but these nodes have public addresses: "
        fix = "set wireguard-native before the bootstrap of the cluster, or connect the nodes through a private network"
        yield ("network", "flannelBackend"), reason + ", ".join(public), fix


def _pools_with_servers(metallb: MetalLBSettings, cluster: ClusterSettings, platform: PlatformSettings) -> Findings:
    servers = [*_servers(cluster, ("cluster",)), *_servers(platform, ("platform",))]
    for name, pool in metallb.all_pools().items():
        path = ("metallb", "addresses") if name == "default" else ("metallb", "pools", name, "addresses")
        for index, entry in enumerate(pool.addresses):
            for loc, address in servers:
                if overlap(entry, address):
                    reason = f"contains {address}, which {display_path(loc, None)} names as a server"
                    fix = "exclude the address, unless it is the load-balancer IP of a Service in this cluster"
                    yield (*path, index), reason, fix


def _servers(value: Any, loc: SettingPath) -> Iterator[tuple[SettingPath, str]]:
    """Yield the path and the IP address of each server, such as a DNS server or a mirror, that a setting names by its
    IP address."""
    if isinstance(value, Model):
        for field, inner in value.__dict__.items():
            step = (*loc, camel_case(field))
            entries = inner if isinstance(inner, tuple) else (inner,)
            if field in _SERVERS and all(isinstance(entry, str) for entry in entries):
                yield from ((step, host) for host in map(_host, entries) if is_address(host))
            else:
                yield from _servers(inner, step)
    elif isinstance(value, dict | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _servers(inner, (*loc, key))


def _host(value: str) -> str:
    if is_address(value):
        return value
    return urlsplit(value if "://" in value else f"//{value}").hostname or ""


def _documentation_asns(metallb: MetalLBSettings) -> Findings:
    bgp = metallb.bgp
    numbers: list[tuple[SettingPath, int]] = [(("asn",), bgp.asn)] if bgp else []
    numbers += [(("peers", index, "asn"), peer.asn) for index, peer in enumerate(bgp.peers)] if bgp else []
    for loc, asn in numbers:
        if any(asn in reserved for reserved in DOCUMENTATION_ASNS):
            reason = f"{asn} is reserved for documentation (RFC 5398), and routers on the Internet reject such routes"
            yield ("metallb", "bgp", *loc), reason, "use a private ASN: 64512 to 65534, or 4200000000 to 4294967294"
