"""MetalLB, which assigns load-balancer IPs to Services, and announces these IPs in layer 2 or through BGP."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from pydantic import Field

from components.cluster.k3s.arguments import arguments
from components.kubernetes.manifest import Json, Manifest
from components.layers.metallb import bgp
from components.layers.metallb.bgp import BgpSettings
from components.layers.shared import address_pools as pools
from components.platform.layer import Layer, resources
from components.settings.errors import Finding, SettingPath
from components.settings.fields import AddressRange, DnsLabel, StrictBool
from components.settings.model import Model

DEFAULT_POOL = "default"
"""Name of the address pool for Services that request no specific pool."""


class PoolSettings(Model):
    """Settings of an additional address pool.

    A Service requests the pool with the annotation `metallb.io/address-pool`.
    """

    addresses: tuple[AddressRange, ...]
    """IP addresses of the pool. Write each entry as a range (`FIRST-LAST`) or as a CIDR."""
    auto_assign: StrictBool = False
    """Whether MetalLB may also assign addresses of the pool to Services that request no specific pool."""


class MetalLBSettings(Model):
    """Settings of MetalLB, which assigns IP addresses to Services of type LoadBalancer."""

    addresses: tuple[AddressRange, ...]
    """IP addresses of MetalLB's default pool. Write each entry as a range (`FIRST-LAST`) or as a CIDR. The DHCP server
    of your LAN must not assign addresses of the pool."""
    pools: dict[DnsLabel, PoolSettings] = Field(default_factory=dict)
    """Additional address pools by name."""
    bgp: BgpSettings | None = None
    """Announcement of address pools to routers through BGP. Default: MetalLB announces all address pools in layer 2."""

    def all_pools(self) -> dict[str, PoolSettings]:
        """Return all address pools by name, with the default pool first."""
        further = {name: pool for name, pool in self.pools.items() if name != DEFAULT_POOL}
        return {DEFAULT_POOL: PoolSettings(addresses=self.addresses, autoAssign=True)} | further

    def announced_by_bgp(self, pool: str) -> bool:
        """Whether MetalLB announces the pool through BGP instead of layer 2."""
        return self.bgp is not None and (self.bgp.pools is None or pool in self.bgp.pools)


class MetalLB(Layer[MetalLBSettings]):
    """Layer for MetalLB, with its address pools and their announcements."""

    key = "metallb"
    settings_type = MetalLBSettings
    namespace = "metallb-system"
    pod_security = "privileged"
    replaces_packaged = ("servicelb",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values.

        For BGP, homelab always installs FRR as an additional DaemonSet, because MetalLB's BGP needs FRR for IPv6.
        """
        values = {
            "controller": {"priorityClassName": "system-cluster-critical", "resources": resources("25m", "128Mi")},
            "speaker": {
                "priorityClassName": "system-node-critical",
                "resources": resources("25m", "128Mi"),
                "frr": {"enabled": False},
            },
            "frrk8s": {"enabled": self.settings.bgp is not None},
            "prometheus": {
                "rbacPrometheus": False,
                "serviceMonitor": {"enabled": self.has_monitoring},
                "prometheusRule": {"enabled": self.has_monitoring},
            },
        }
        return {"metallb": values | ({"frr-k8s": self._frr()} if self.settings.bgp else {})}

    def _frr(self) -> Json:
        return {
            "frrk8s": {
                "priorityClassName": "system-node-critical",
                "resources": resources("25m", "128Mi"),
                "frr": {"resources": resources("50m", "256Mi")},
                "frrStatus": {"pollInterval": "20s"},  # `doctor` reads the status of the sessions
            },
            "prometheus": {"serviceMonitor": {"enabled": self.has_monitoring}},
        }

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secrets that contain the passwords of BGP sessions."""
        return bgp.password_secrets(self.settings.bgp, self.namespace) if self.settings.bgp else ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the address pools, BGP peers and announcements of MetalLB.

        An announcement without a list of pools would announce all pools.
        """
        manifests = [self._pool(name, pool) for name, pool in self.settings.all_pools().items()]
        manifests += bgp.peers(self.settings.bgp, self.namespace) if self.settings.bgp else []
        for kind, name, routed in (("L2Advertisement", "lan", False), ("BGPAdvertisement", "routers", True)):
            announced = [pool for pool in self.settings.all_pools() if self.settings.announced_by_bgp(pool) is routed]
            spec = {"ipAddressPools": announced} | ({} if routed else self._lan_nodes())
            manifests += [bgp.custom_resource(kind, self.metadata(name), spec)] if announced else []
        return manifests

    def _lan_nodes(self) -> dict[str, Json]:
        """Return a selector of the nodes in the LAN, or an empty mapping if all nodes are in the LAN."""
        selector = pools.announcing_node_selector(self.lab.cluster)
        return {"nodeSelectors": [selector]} if selector else {}

    def _pool(self, name: str, pool: PoolSettings) -> Manifest:
        spec = {"addresses": list(pool.addresses), "autoAssign": pool.auto_assign, "avoidBuggyIPs": True}
        return bgp.custom_resource("IPAddressPool", self.metadata(name), spec)

    def outputs(self) -> Mapping[str, object]:
        """Return all load-balancer IPs."""
        all_pools = self.settings.all_pools().values()
        return {"load_balancer_addresses": [entry for pool in all_pools for entry in pool.addresses]}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the address pools and announcements, and conflicts with IP addresses of the cluster."""
        cluster, ranges = self.lab.cluster, list(self._ranges())
        every_range = [(path, entry) for _, path, entry in ranges]
        return chain(
            self._pool_problems(),
            self._ipvs_problems(),
            bgp.findings(self.settings.bgp, tuple(self.settings.all_pools()), cluster) if self.settings.bgp else (),
            pools.range_overlaps(every_range),
            *(self._cluster_conflicts(ranges, on_request) for on_request in (False, True)),
            pools.ranges_outside_lan(
                [(path, entry) for name, path, entry in ranges if not self.settings.announced_by_bgp(name)], cluster
            ),
        )

    def _cluster_conflicts(self, ranges: Iterable[tuple[str, SettingPath, str]], on_request: bool) -> Iterator[Finding]:
        """Yield conflicts of the pools that Services get only on request, or of all other pools."""
        automatic = {name: pool.auto_assign for name, pool in self.settings.all_pools().items()}
        chosen = [(path, entry) for name, path, entry in ranges if automatic[name] is not on_request]
        return pools.cluster_conflicts(chosen, self.lab, self._routers(), on_request=on_request)

    def _ipvs_problems(self) -> Iterator[Finding]:
        """Yield an error if several nodes answer ARP for a load-balancer IP, as with IPVS without strict ARP."""
        cluster, loose = self.lab.cluster, []
        for node in cluster.nodes:
            proxy = arguments(cluster.options_of(node), "kube-proxy-arg")
            strict = proxy.get("ipvs-strict-arp", "").lower() in ("1", "t", "true")
            if proxy.get("proxy-mode") == "ipvs" and not strict:
                loose.append(node.name)
        if len(cluster.nodes) > 1 and loose and not all(map(self.settings.announced_by_bgp, self.settings.all_pools())):
            reason = f"needs strict ARP, because kube-proxy runs in the mode ipvs on {', '.join(loose)}"
            yield (), reason, "add ipvs-strict-arp=true to kube-proxy-arg, or remove proxy-mode=ipvs"

    def _routers(self) -> list[str]:
        return [peer.address for peer in self.settings.bgp.peers] if self.settings.bgp else []

    def _pool_problems(self) -> Iterator[Finding]:
        if DEFAULT_POOL in self.settings.pools:
            reason = "is the name of the pool that metallb.addresses defines"
            yield ("pools", DEFAULT_POOL), reason, "choose another name"
        for name, pool in self.settings.all_pools().items():
            if not pool.addresses:
                yield (*_path(name), "addresses"), "is empty", "add a range or a CIDR"

    def _ranges(self) -> Iterator[tuple[str, SettingPath, str]]:
        for name, pool in self.settings.all_pools().items():
            for index, entry in enumerate(pool.addresses):
                yield name, (*_path(name), "addresses", index), entry


def _path(pool: str) -> SettingPath:
    return () if pool == DEFAULT_POOL else ("pools", pool)
