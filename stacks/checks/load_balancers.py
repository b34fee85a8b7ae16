"""Checks of the load-balancer IPs that Services of type LoadBalancer of the layers need."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from components.layers.cilium import CiliumSettings
from components.layers.metallb.layer import MetalLBSettings
from components.layers.shared import address_pools
from components.layers.traefik.layer import TraefikSettings
from components.platform.layer import CatalogEntry, LabContext
from components.settings.errors import Findings, SettingPath
from stacks.platform_settings import PlatformSettings

_OWN_SERVICE = ("hostNetwork", "ports", "service")
"""Helm values of Traefik with which a user can expose Traefik without a load-balancer IP of a layer."""


def load_balancer_findings(catalog: Iterable[CatalogEntry], lab: LabContext, platform: PlatformSettings) -> Findings:
    """Yield an error if layers create more Services of type LoadBalancer than there are load-balancer IPs."""
    wanted = {
        entry.layer.key: entry.layer(lab.layers[entry.layer.key], lab).load_balancers
        for entry in catalog
        if lab.is_enabled(entry.layer.key)
    }
    if lab.cluster.k3s.servicelb:
        yield from _servicelb(wanted, lab)
        return
    if any(key in platform.values.get("traefik", {}) for key in _OWN_SERVICE):
        wanted.pop("traefik", None)
    if not any(wanted.values()):
        return
    if pool := _pool(lab):
        yield from _too_few(*pool, wanted, lab)
    elif wanted.get("traefik") and "bgpControlPlane" not in platform.values.get("cilium", {}):
        reason = "needs a load balancer for its Service: K3s' ServiceLB is disabled, and no layer replaces it"
        fix = (
            f"{_addresses_fix(lab)}, set k3s.servicelb: true, or set values.traefik.service for your own load balancer"
        )
        yield ("traefik",), reason, fix


def _servicelb(wanted: Mapping[str, int], lab: LabContext) -> Findings:
    """Yield an error if MetalLB or Cilium would assign IPs beside ServiceLB, or if two Services need port 443."""
    fix = "keep either k3s.servicelb: true or the load-balancer IPs of the layer"
    metallb, cilium = lab.settings_of(MetalLBSettings), lab.settings_of(CiliumSettings)
    if metallb:
        yield ("metallb",), "assigns IP addresses to Services, but k3s.servicelb does so already", fix
    if cilium and cilium.addresses:
        yield ("cilium", "addresses"), "are for Services, which have the nodes' addresses with k3s.servicelb", fix
    if wanted.get("traefik") and wanted.get("stepCa"):
        reason = "needs port 443 of the nodes for its Service, which Traefik has with k3s.servicelb"
        yield ("stepCa", "lan"), reason, "use metallb instead of k3s.servicelb, or set lan: false"


def _addresses_fix(lab: LabContext) -> str:
    if lab.is_enabled("cilium"):
        return "set cilium.addresses with cilium.replaceKubeProxy: true"
    return "add metallb: {addresses: [FIRST-LAST]}"


def _pool(lab: LabContext) -> tuple[SettingPath, list[str]] | None:
    """Return the path and the ranges of the addresses that Services without a requested address get."""
    metallb, cilium = lab.settings_of(MetalLBSettings), lab.settings_of(CiliumSettings)
    if metallb:
        pools = metallb.all_pools().values()
        if not all(pool.addresses for pool in pools):
            return (), []  # MetalLB's own check reports a pool without addresses
        return ("metallb", "addresses"), [entry for pool in pools if pool.auto_assign for entry in pool.addresses]
    return (("cilium", "addresses"), list(cilium.addresses)) if cilium and cilium.addresses else None


def _too_few(path: SettingPath, ranges: list[str], wanted: dict[str, int], lab: LabContext) -> Findings:
    version = ip_network(lab.cluster.network.services[0]).version
    traefik = lab.settings_of(TraefikSettings)
    if traefik and traefik.address and not address_pools.can_assign(ranges, traefik.address):
        wanted = {key: count for key, count in wanted.items() if key != "traefik"}
    needed, free = sum(wanted.values()), address_pools.count_assignable(ranges, version)
    if path and free < needed and (free or not wanted.get("traefik")):
        names = ", ".join(key for key, count in wanted.items() if count)
        unit = "address" if free == 1 else "addresses"
        reason = f"has {free} IPv{version} {unit} for {needed} Services of type LoadBalancer ({names})"
        yield path, reason, "add addresses: each app with loadBalancer needs one more"
