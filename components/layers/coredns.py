"""Additional DNS zones in the CoreDNS of K3s, which pods use for DNS."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from pydantic import Field

from components.cluster.k3s.options import DEFAULT_CLUSTER_DOMAIN, as_tuple
from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import Layer
from components.settings.errors import Finding
from components.settings.fields import Address, Domain
from components.settings.model import Model

_FOLDER = "/etc/coredns/custom"
"""Mount path of the ConfigMap in the CoreDNS of K3s. CoreDNS imports `*.server` files as additional server blocks."""
_TTL = 60


class ZoneSettings(Model):
    """Settings of a DNS zone, which is a domain with all names below it."""

    hosts: dict[Domain, tuple[Address, ...]] = Field(default_factory=dict)
    """Host names in the zone, each with a list of IP addresses."""
    wildcard: tuple[Address, ...] = ()
    """IP addresses that CoreDNS returns for all names in the zone that are not under `hosts`. With `wildcard`, CoreDNS
    never asks another DNS server about names in the zone."""
    forward: tuple[Address, ...] = ()
    """DNS servers to which CoreDNS forwards requests for names in the zone that are not under `hosts`. Default: the DNS
    servers of the machines."""


class CorednsSettings(Model):
    """Settings of the DNS zones that CoreDNS resolves for pods."""

    zones: dict[Domain, ZoneSettings] = Field(default_factory=dict)
    """DNS zones by domain. The domain of a zone can also be a single host name."""

    def overlapping_zone(self, domain: str) -> str | None:
        """Return the name of a zone that hides public DNS records of `domain` from pods, or None if there is none."""
        hiding = (name for name, zone in self.zones.items() if zone.wildcard or zone.forward)
        return next((name for name in hiding if _overlap(name, domain)), None)


class Coredns(Layer[CorednsSettings]):
    """Layer for DNS zones in K3s' CoreDNS, which resolves their names itself or forwards them to other DNS servers."""

    key = "coredns"
    settings_type = CorednsSettings
    namespace = "kube-system"
    owns_namespace = False

    def values(self) -> Mapping[str, Json]:
        """Return no Helm values, because K3s installs CoreDNS."""
        return {}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the ConfigMap that adds the DNS zones to CoreDNS.

        CoreDNS applies a changed ConfigMap within two minutes.
        """
        zones = self.settings.zones.items()
        data = {f"{name}.server": _server(name, zone) for name, zone in zones}
        data |= {f"{name}.zone": _zone_file(name, zone) for name, zone in zones if zone.wildcard}
        metadata = self.metadata("coredns-custom")
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}] if data else []

    def findings(self) -> Iterator[Finding]:
        """Yield an error for each zone that is empty, has contradictory settings, or hides names of the cluster."""
        k3s = self.lab.cluster.k3s
        if "coredns" in k3s.disable:
            yield (), "needs K3s' CoreDNS, which k3s.disable disables", "remove coredns from k3s.disable"
        configured = {**k3s.options, **k3s.server_options}.get("cluster-domain", DEFAULT_CLUSTER_DOMAIN)
        domain = str(as_tuple(configured)[-1])
        for name, zone in self.settings.zones.items():
            if _overlap(name, domain):
                yield ("zones", name), f"would hide names of the cluster domain {domain}", "choose another zone"
            if not (zone.hosts or zone.wildcard or zone.forward):
                yield ("zones", name), "is empty", "add hosts, wildcard or forward"
            if zone.wildcard and zone.forward:
                reason = "is never used, because wildcard answers all names that hosts does not list"
                yield ("zones", name, "forward"), reason, "keep either wildcard or forward"
            yield from _host_problems(name, zone)


def _host_problems(name: str, zone: ZoneSettings) -> Iterator[Finding]:
    for host, addresses in zone.hosts.items():
        if not _within(host, name):
            yield ("zones", name, "hosts", host), f"is not in the zone {name}", f"use a name that ends in {name}"
        if not addresses:
            yield ("zones", name, "hosts", host), "has no IP address", "add at least one"


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _overlap(one: str, other: str) -> bool:
    return _within(one, other) or _within(other, one)


def _server(name: str, zone: ZoneSettings) -> str:
    """Return the Corefile server block of a DNS zone.

    CoreDNS runs its plugins in a fixed order: first `hosts`, then `file`, then `forward`.
    """
    entries = [f"{address} {host}" for host, addresses in zone.hosts.items() for address in addresses]
    lines = ["errors", f"cache {_TTL}"]
    if entries:
        lines += ["hosts {", *(f"  {line}" for line in (*entries, f"ttl {_TTL}", "fallthrough")), "}"]
    if zone.wildcard:
        lines += [f"file {_FOLDER}/{name}.zone"]
    else:
        lines += [f"forward . {' '.join(zone.forward) or '/etc/resolv.conf'}"]
    return "\n".join((f"{name}:53 {{", *(f"  {line}" for line in lines), "}", ""))


def _zone_file(name: str, zone: ZoneSettings) -> str:
    """Return the zone file. CoreDNS loads a changed zone file only if the serial number in the file has changed."""
    records_by_type = [("AAAA" if ip_address(address).version == 6 else "A", address) for address in zone.wildcard]
    records = [f"{label} {_TTL} IN {kind} {address}" for label in "@*" for kind, address in records_by_type]
    serial = zlib.crc32("\n".join(records).encode())
    soa = f"@ {_TTL} IN SOA ns hostmaster {serial} 7200 1800 86400 {_TTL}"
    return "\n".join((f"$ORIGIN {name}.", soa, f"@ {_TTL} IN NS ns", *records, ""))
