"""MetalLB: addresses for load-balancer Services, announced in the lan (layer 2) or to routers (BGP)."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from pydantic import Field

from components import bgp, pools
from components.bgp import BgpSettings
from components.fields import AddressRange, HostLabel, Switch
from components.layer import Finding, Layer, resources
from components.manifest import Manifest, Tree
from components.model import Model

DEFAULT = "default"
"""Name of the pool that Services get their address from when they name none."""


class PoolSettings(Model):
    """A further pool, which a Service asks for by the annotation `metallb.io/address-pool`."""

    addresses: tuple[AddressRange, ...]
    """Its addresses, each entry a range (`FIRST-LAST`) or a network."""
    auto_assign: Switch = False
    """Whether Services that name no pool get addresses of it too."""


class MetalLBSettings(Model):
    """MetalLB: addresses for Services of type LoadBalancer."""

    addresses: tuple[AddressRange, ...]
    """Addresses of the default pool, each entry a range (`FIRST-LAST`) or a network. Keep them out of DHCP."""
    pools: dict[HostLabel, PoolSettings] = Field(default_factory=dict)
    """Further pools by name."""
    bgp: BgpSettings | None = None
    """Announcement through BGP. Default: all pools are announced in the lan."""

    def all_pools(self) -> dict[str, PoolSettings]:
        """Return all pools by name, the default one first."""
        further = {name: pool for name, pool in self.pools.items() if name != DEFAULT}
        return {DEFAULT: PoolSettings(addresses=self.addresses, autoAssign=True)} | further

    def by_bgp(self, pool: str) -> bool:
        """Whether a pool is announced to routers rather than in the lan."""
        return self.bgp is not None and (self.bgp.pools is None or pool in self.bgp.pools)


class MetalLB(Layer[MetalLBSettings]):
    """MetalLB with its pools and their announcement."""

    key = "metallb"
    settings_type = MetalLBSettings
    namespace = "metallb-system"
    security = "privileged"
    replaces = ("servicelb",)

    def values(self) -> Mapping[str, Tree]:
        """FRR, one more DaemonSet, runs for BGP alone, and always then: BGP without it would lack IPv6."""
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
                "serviceMonitor": {"enabled": self.monitored},
                "prometheusRule": {"enabled": self.monitored},
            },
        }
        return {"metallb": values | ({"frr-k8s": self._frr()} if self.settings.bgp else {})}

    def _frr(self) -> Tree:
        return {
            "frrk8s": {
                "priorityClassName": "system-node-critical",
                "resources": resources("25m", "128Mi"),
                "frr": {"resources": resources("50m", "256Mi")},
            },
            "prometheus": {"serviceMonitor": {"enabled": self.monitored}},
        }

    def before(self) -> Sequence[Manifest]:
        """Return the passwords of the sessions with routers."""
        return bgp.passwords(self.settings.bgp, self.namespace) if self.settings.bgp else ()

    def extend(self) -> Sequence[Manifest]:
        """Return the pools, the routers, and who is told of which pool; one that names none would tell of all."""
        made = [self._pool(name, pool) for name, pool in self.settings.all_pools().items()]
        made += bgp.peers(self.settings.bgp, self.namespace) if self.settings.bgp else []
        for kind, name, routed in (("L2Advertisement", "lan", False), ("BGPAdvertisement", "routers", True)):
            told = [pool for pool in self.settings.all_pools() if self.settings.by_bgp(pool) is routed]
            made += [bgp.custom(kind, self.metadata(name), {"ipAddressPools": told})] if told else []
        return made

    def _pool(self, name: str, pool: PoolSettings) -> Manifest:
        spec = {"addresses": list(pool.addresses), "autoAssign": pool.auto_assign, "avoidBuggyIPs": True}
        return bgp.custom("IPAddressPool", self.metadata(name), spec)

    def outputs(self) -> Mapping[str, object]:
        """Return all addresses."""
        pools_ = self.settings.all_pools().values()
        return {"load_balancer_addresses": [each for pool in pools_ for each in pool.addresses]}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the pools, with their announcement, and between them and the cluster."""
        cluster, ranges = self.lab.cluster, list(self._ranges())
        every = [(place, entry) for _, place, entry in ranges]
        return chain(
            self._unusable(),
            bgp.problems(self.settings.bgp, tuple(self.settings.all_pools())) if self.settings.bgp else (),
            pools.shared(every),
            pools.taken(every, cluster),
            pools.outside([(place, entry) for name, place, entry in ranges if not self.settings.by_bgp(name)], cluster),
        )

    def _unusable(self) -> Iterator[Finding]:
        if DEFAULT in self.settings.pools:
            yield ("pools", DEFAULT), "is the name of the pool made of addresses", "choose another name"
        for name, pool in self.settings.all_pools().items():
            if not pool.addresses:
                yield (*_place(name), "addresses"), "holds no addresses", "add a range or a network"

    def _ranges(self) -> Iterator[tuple[str, pools.Place, str]]:
        for name, pool in self.settings.all_pools().items():
            for index, entry in enumerate(pool.addresses):
                yield name, (*_place(name), "addresses", index), entry


def _place(pool: str) -> pools.Place:
    return () if pool == DEFAULT else ("pools", pool)
