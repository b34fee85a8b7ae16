"""Checks of the K3s options for Services and pods: kube-proxy, cluster DNS, NodePorts and pods per node."""

import re
from ipaddress import ip_address, ip_network

from components.cluster.k3s import ports
from components.cluster.k3s.arguments import arguments
from components.cluster.k3s.options import as_tuple
from components.cluster.settings import API_PORT, ClusterSettings, NodeSettings
from components.settings.addresses import is_address
from components.settings.domains import DOMAIN_PATTERN
from components.settings.errors import Findings

_DEFAULT_MASK_SIZES = {4: 24, 6: 64}
"""Kubernetes' default prefix lengths of a node's pod CIDR, by IP version."""
_MASK_SIZES = {4: (9, 30), 6: (48, 126)}
"""Shortest and longest prefix lengths of a node's pod CIDR, by IP version."""
_MANAGER, _MASK = "kube-controller-manager-arg", "node-cidr-mask-size"
_NODE_PORTS = "service-node-port-range"


def node_cidr_mask_size(cluster: ClusterSettings, version: int) -> int:
    """Return the prefix length of the pod CIDR that each node gets for the IP version `version` (4 or 6)."""
    options = cluster.options_of(cluster.servers[0])
    manager = arguments(options, _MANAGER)
    common = "" if cluster.network.dual_stack else manager.get(_MASK, "")
    length = manager.get(f"{_MASK}-ipv{version}", common)
    return int(length) if _is_mask_size(length, version) else _DEFAULT_MASK_SIZES[version]


def _is_mask_size(length: str, version: int) -> bool:
    shortest, longest = _MASK_SIZES[version]
    return re.fullmatch("[0-9]{1,3}", length) is not None and shortest <= int(length) <= longest


def _mask_sizes(cluster: ClusterSettings) -> Findings:
    """Yield an error for each prefix length of a node's pod CIDR that Kubernetes cannot use."""
    families = [ip_network(network).version for network in cluster.network.pods]
    by_name = {f"{_MASK}-ipv4": 4, f"{_MASK}-ipv6": 6} | ({_MASK: families[0]} if len(families) == 1 else {})
    for key, options in (("options", cluster.k3s.options), ("serverOptions", cluster.k3s.server_options)):
        for name, value in arguments(options, _MANAGER).items():
            if name in by_name and not _is_mask_size(value, by_name[name]):
                shortest, longest = _MASK_SIZES[by_name[name]]
                reason = f"sets {name}={value}, which is not a valid prefix length for a node's pod CIDR"
                yield ("k3s", key, _MANAGER), reason, f"use {shortest} to {longest}"


def _kube_proxy(cluster: ClusterSettings) -> Findings:
    if cluster.network.cni == "flannel" and cluster.k3s.server_options.get("disable-kube-proxy") is True:
        reason = "disables kube-proxy, but flannel does not replace kube-proxy"
        fix = "remove it, or use the layer cilium with network.cni: none and replaceKubeProxy: true"
        yield ("k3s", "serverOptions", "disable-kube-proxy"), reason, fix


def _cluster_dns(cluster: ClusterSettings) -> Findings:
    """Yield an error for each address in `cluster-dns` that the Service of CoreDNS cannot have.

    Kubernetes gives the first address of the first Service CIDR to the API.
    """
    loc, services = ("k3s", "serverOptions", "cluster-dns"), [ip_network(each) for each in cluster.network.services]
    entries = as_tuple(cluster.k3s.server_options.get("cluster-dns", ()))
    for entry in (part.strip() for value in entries for part in str(value).split(",")):
        if not is_address(entry):
            yield loc, "is not an IP address", f"write an IP address in network.services, such as {services[0][10]}"
        elif "coredns" in cluster.k3s.disable:
            continue  # a DNS server of the user's own may have an address outside the Service CIDRs
        elif ip_address(entry).is_link_local:
            reason = "is a link-local address, but CoreDNS is a Service, whose address is in network.services"
            fix = "remove it: a NodeLocal DNSCache can also listen at the address of CoreDNS' Service"
            yield loc, reason, f"{fix}, {services[0][10]} by default"
        elif not any(ip_address(entry) in network for network in services):
            reason = f"is not in the Service CIDR ({', '.join(map(str, services))}), but CoreDNS is a Service"
            yield loc, reason, f"use an IP address in network.services, such as {services[0][10]}"
        elif ip_address(entry) in {each for network in services for each in (network[0], network[1], network[-1])}:
            reason = "is the first or last address of a Service CIDR, which Kubernetes uses for other purposes"
            yield loc, reason, f"use another IP address in network.services, such as {services[0][10]}"


def _cluster_domain(cluster: ClusterSettings) -> Findings:
    value = cluster.k3s.server_options.get("cluster-domain")
    if value is not None and not (isinstance(value, str) and re.fullmatch(DOMAIN_PATTERN, value)):
        yield ("k3s", "serverOptions", "cluster-domain"), "is not a domain name", "write a name such as cluster.local"


def _node_ports(cluster: ClusterSettings) -> Findings:
    loc, value = ("k3s", "serverOptions", _NODE_PORTS), cluster.k3s.server_options.get(_NODE_PORTS)
    if value is None:
        return
    match = re.fullmatch("([0-9]{1,5})([-+])([0-9]{1,5})", str(value).replace(" ", ""))
    first, last = (int(match[1]), int(match[3])) if match else (0, 0)
    last += first if match and match[2] == "+" else 0
    if not 1 <= first <= last <= 65535:
        yield loc, "is not a range of ports", "write FIRST-LAST with ports from 1 to 65535, such as 30000-32767"
        return
    taken = {range(login.port, login.port + 1): "SSH" for login in map(cluster.ssh_of, cluster.nodes)}
    taken |= {used: user for used, _, user in ports.PORTS if not ports.is_for_services(user)}
    if cluster.api.external is None and cluster.api.port not in range(API_PORT, API_PORT + 2):
        taken[range(cluster.api.port, cluster.api.port + 1)] = "the Kubernetes API"
    hits = sorted((used[0], used[-1], user) for used, user in taken.items() if used[0] <= last and used[-1] >= first)
    if hits:
        texts = [f"{low}{f'-{high}' if high > low else ''} ({user})" for low, high, user in hits]
        fix = "use ports that no program of a node uses: 30000-32767"
        yield loc, f"contains ports of programs on the nodes: {', '.join(texts)}", fix


def _max_pods(cluster: ClusterSettings) -> Findings:
    for key, options in cluster.k3s.options_by_key.items():
        for loc, reason, fix in _too_many_pods(cluster, arguments(options, "kubelet-arg").get("max-pods", "")):
            yield ("k3s", key, *loc), reason, fix


def _own_max_pods(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    for loc, reason, fix in _too_many_pods(cluster, arguments(node.options, "kubelet-arg").get("max-pods", "")):
        yield ("options", *loc), reason, fix


def _too_many_pods(cluster: ClusterSettings, max_pods: str) -> Findings:
    """Yield an error if `max-pods` of the kubelet is greater than the number of addresses in a node's pod CIDR."""
    if cluster.network.cni != "flannel" or not re.fullmatch("[0-9]{1,9}", max_pods):
        return
    for network in map(ip_network, cluster.network.pods):
        block = node_cidr_mask_size(cluster, network.version)
        if int(max_pods) > (addresses := 2 ** (network.max_prefixlen - block)):
            reason = (
                f"sets max-pods={int(max_pods)}, but the pod CIDR of a node is a /{block} with {addresses} addresses"
            )
            yield ("kubelet-arg",), reason, f"use at most {max(addresses - 6, 1)}"


CLUSTER_CHECKS = (_mask_sizes, _kube_proxy, _cluster_dns, _cluster_domain, _node_ports, _max_pods)
NODE_CHECKS = (_own_max_pods,)
