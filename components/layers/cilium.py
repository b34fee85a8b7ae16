"""Cilium: the pod network and the NetworkPolicies in it; by choice Services, and their addresses in the lan."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network

from components import cni, pools
from components.fields import AddressRange, Switch
from components.layer import Finding, Layer, resources, uncapped
from components.manifest import Manifest, Tree
from components.model import Model

_OPTION = "disable-kube-proxy"


class CiliumSettings(Model):
    """Cilium: the pod network and its policies."""

    replace_kube_proxy: Switch = False
    """Whether Services are Cilium's work too, instead of kube-proxy's: with `k3s.serverOptions.disable-kube-proxy`."""
    addresses: tuple[AddressRange, ...] = ()
    """Addresses for Services of type LoadBalancer, each entry a range or a network, announced in the lan. Without
    metallb, and with `replaceKubeProxy`."""


class Cilium(Layer[CiliumSettings]):
    """Cilium as the pod network, with `network.cni: none`, and by choice instead of kube-proxy and metallb."""

    key = "cilium"
    settings_type = CiliumSettings
    namespace = "kube-system"
    own_namespace = False
    first = True
    keeps = cni.KEEPS
    kept = cni.KEPT

    def values(self) -> Mapping[str, Tree]:
        """Return the agents, one a node, and the operator; nodes' shares of the network are those of K3s."""
        versions = {ip_network(network).version for network in self.lab.cluster.network.pods}
        metrics = {"enabled": self.monitored, "serviceMonitor": {"enabled": self.monitored}}
        values: dict[str, Tree] = {
            "ipam": {"mode": "kubernetes"},
            "ipv4": {"enabled": 4 in versions},
            "ipv6": {"enabled": 6 in versions},
            "policyCIDRMatchMode": ["nodes"],  # policies name the API by its servers' addresses
            "kubeProxyReplacement": self.settings.replace_kube_proxy,
            "l2announcements": {"enabled": bool(self.settings.addresses)},
            "rollOutCiliumPods": True,
            "resources": resources("100m", "512Mi"),
            "cni": {"resources": uncapped("100m", "64Mi")},
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
        return {"cilium": values | (self._api() if self.settings.replace_kube_proxy else {})}

    def _api(self) -> dict[str, Tree]:
        """Where agents find the API before there are Services, which they are to make."""
        cluster = self.lab.cluster
        return {"k8sServiceHost": cluster.endpoint, "k8sServicePort": cluster.endpoint_port}

    def extend(self) -> Sequence[Manifest]:
        """Return the pool of addresses, and who answers for them."""
        if not self.settings.addresses:
            return ()
        told = {"loadBalancerIPs": True, "externalIPs": False}
        return [
            _custom("v2", "CiliumLoadBalancerIPPool", {"blocks": [*map(_block, self.settings.addresses)]}),
            _custom("v2alpha1", "CiliumL2AnnouncementPolicy", told),
        ]

    def outputs(self) -> Mapping[str, object]:
        """Return the addresses."""
        return {"load_balancer_addresses": list(self.settings.addresses)}

    def problems(self) -> Iterator[Finding]:
        """Yield another pod network, nobody or two for Services, and what is wrong with the addresses."""
        yield from cni.problems(self.key, self.lab)
        yield from self._services()
        if not self.settings.addresses:
            return
        if self.lab.has("metallb"):
            yield ("addresses",), "are given out by metallb too", "leave them out, or take metallb out"
        if not self.settings.replace_kube_proxy:
            yield ("addresses",), "need replaceKubeProxy", "set replaceKubeProxy: true, or use metallb"
        ranges: list[pools.Range] = [(("addresses", at), each) for at, each in enumerate(self.settings.addresses)]
        yield from pools.shared(ranges)
        yield from pools.taken(ranges, self.lab.cluster)
        yield from pools.outside(ranges, self.lab.cluster)

    def _services(self) -> Iterator[Finding]:
        cluster, replaces = self.lab.cluster, self.settings.replace_kube_proxy
        off = {**cluster.k3s.options, **cluster.k3s.server_options}.get(_OPTION) is True
        if replaces and not off:
            yield (
                ("replaceKubeProxy",),
                "is true, and K3s' kube-proxy runs",
                f"set k3s.serverOptions: {{{_OPTION}: true}}",
            )
        if off and not replaces:
            yield (), f"leaves Services to kube-proxy, which {_OPTION} takes away", "set replaceKubeProxy: true"
        if replaces and cluster.api.vip and cluster.api.by == "kube-vip":
            reason = "cannot be with api.by: kube-vip, which finds the API through a Service"
            yield ("replaceKubeProxy",), reason, "use keepalived"


def _block(addresses: str) -> Tree:
    if "/" in addresses:
        return {"cidr": addresses}
    first, _, last = addresses.partition("-")
    return {"start": first, "stop": last}


def _custom(version: str, kind: str, spec: Tree) -> Manifest:
    return {"apiVersion": f"cilium.io/{version}", "kind": kind, "metadata": {"name": "lan"}, "spec": spec}
