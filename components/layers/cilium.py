"""Cilium, a CNI plugin that can also replace kube-proxy and assign load-balancer IPs."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from components.kubernetes.manifest import Json, Manifest
from components.layers.shared import address_pools, cni
from components.platform.layer import Layer, resources, uncapped_resources
from components.settings.errors import Finding
from components.settings.fields import AddressRange, StrictBool
from components.settings.model import Model

_OPTION = cni.KUBE_PROXY_OPTION


class CiliumSettings(Model):
    """Settings of Cilium, a CNI plugin that also enforces NetworkPolicies."""

    replace_kube_proxy: StrictBool = False
    """Whether Cilium replaces kube-proxy on all nodes. The setting `replaceKubeProxy` requires `disable-kube-proxy:
    true` under `k3s.serverOptions`."""
    addresses: tuple[AddressRange, ...] = ()
    """IP addresses for Services of type LoadBalancer, which Cilium announces in layer 2. Write each entry as a range
    (`FIRST-LAST`) or as a CIDR. `addresses` requires `replaceKubeProxy: true`, and cannot be used together
    with the layer metallb."""


class Cilium(Layer[CiliumSettings]):
    """Layer for Cilium, the CNI plugin of a cluster with `network.cni: none`.

    Cilium can also replace kube-proxy and MetalLB.
    """

    key = "cilium"
    settings_type = CiliumSettings
    namespace = "kube-system"
    owns_namespace = False
    installs_first = True
    user_data = cni.USER_DATA
    user_data_queries = cni.USER_DATA_QUERIES

    def values(self) -> Mapping[str, Json]:
        """Return Cilium's Helm values. Cilium assigns pod IPs from the pod CIDR that K3s gives to each node."""
        versions = {ip_network(cidr).version for cidr in self.lab.cluster.network.pods}
        metrics = {"enabled": self.has_monitoring, "serviceMonitor": {"enabled": self.has_monitoring}}
        values: dict[str, Json] = {
            "ipam": {"mode": "kubernetes"},
            "ipv4": {"enabled": 4 in versions},
            "ipv6": {"enabled": 6 in versions},
            # NetworkPolicies allow connections to servers by IP address, which Cilium supports only in this mode
            "policyCIDRMatchMode": ["nodes"],
            "kubeProxyReplacement": self.settings.replace_kube_proxy,
            "l2announcements": {"enabled": bool(self.settings.addresses)},
            "rollOutCiliumPods": True,
            "resources": resources("100m", "512Mi"),
            "cni": {"resources": uncapped_resources("100m", "64Mi")},
            "prometheus": metrics,
            "envoy": {"resources": resources("25m", "256Mi")},
            "hubble": {"enabled": False},
            "operator": {
                "replicas": self.lab.replicas(2),
                "rollOutPods": True,
                "resources": resources("25m", "256Mi"),
                "prometheus": metrics,
            },
        }
        return {"cilium": values | (self._api_endpoint() if self.settings.replace_kube_proxy else {})}

    def _api_endpoint(self) -> dict[str, Json]:
        """Return the API endpoint for Cilium, because no pod can reach the Service of the API before Cilium runs."""
        cluster = self.lab.cluster
        return {"k8sServiceHost": cluster.endpoint_host, "k8sServicePort": cluster.endpoint_port}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the CiliumLoadBalancerIPPool, and the CiliumL2AnnouncementPolicy that announces its IPs in layer 2."""
        if not self.settings.addresses:
            return ()
        announced: dict[str, Json] = {"loadBalancerIPs": True, "externalIPs": False}
        if selector := address_pools.announcing_node_selector(self.lab.cluster):
            announced["nodeSelector"] = selector
        return [
            _custom("v2", "CiliumLoadBalancerIPPool", {"blocks": [*map(_block, self.settings.addresses)]}),
            _custom("v2alpha1", "CiliumL2AnnouncementPolicy", announced),
        ]

    def outputs(self) -> Mapping[str, object]:
        """Return the address ranges of load-balancer IPs, as a stack output."""
        return {"load_balancer_addresses": list(self.settings.addresses)}

    def findings(self) -> Iterator[Finding]:
        """Yield conflicts with other CNI plugins, kube-proxy and MetalLB, and errors in the setting `addresses`."""
        yield from cni.findings(self.key, self.lab)
        yield from self._kube_proxy_problems()
        if not self.settings.addresses:
            return
        if self.lab.is_enabled("metallb"):
            reason = "conflict with metallb, which also assigns load-balancer IPs"
            yield ("addresses",), reason, "remove addresses, or remove metallb"
        if not self.settings.replace_kube_proxy:
            yield ("addresses",), "require replaceKubeProxy", "set replaceKubeProxy: true, or use metallb"
        addresses = enumerate(self.settings.addresses)
        ranges: list[address_pools.Range] = [(("addresses", index), entry) for index, entry in addresses]
        yield from address_pools.range_overlaps(ranges)
        yield from address_pools.cluster_conflicts(ranges, self.lab)
        yield from address_pools.ranges_outside_lan(ranges, self.lab.cluster)

    def _kube_proxy_problems(self) -> Iterator[Finding]:
        cluster, replaces = self.lab.cluster, self.settings.replace_kube_proxy
        disabled = cni.is_kube_proxy_disabled(cluster)
        if replaces and not disabled:
            yield (
                ("replaceKubeProxy",),
                "is true, but K3s still runs kube-proxy",
                f"set k3s.serverOptions: {{{_OPTION}: true}}",
            )
        if disabled and not replaces:
            yield (), f"needs kube-proxy for Services, but {_OPTION} disables kube-proxy", "set replaceKubeProxy: true"
        if replaces and cluster.api.vip and cluster.api.by == "kube-vip":
            reason = "conflicts with api.by: kube-vip, which needs kube-proxy to reach the API"
            yield ("replaceKubeProxy",), reason, "set api.by: keepalived"


def _block(addresses: str) -> Json:
    if "/" in addresses:
        return {"cidr": addresses}
    first, _, last = addresses.partition("-")
    return {"start": first, "stop": last}


def _custom(version: str, kind: str, spec: Json) -> Manifest:
    return {"apiVersion": f"cilium.io/{version}", "kind": kind, "metadata": {"name": "lan"}, "spec": spec}
