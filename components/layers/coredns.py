"""CoreDNS: what pods are told of names outside the cluster, beyond what the machines would be told."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

from pydantic import Field

from components.fields import Address, Domain
from components.k3s_options import listed
from components.layer import Finding, Layer
from components.manifest import Manifest, Tree
from components.model import Model

_FOLDER = "/etc/coredns/custom"
"""Where K3s' CoreDNS has the ConfigMap; it reads `*.server` in it as further server blocks."""
_SECONDS = 60


class ZoneSettings(Model):
    """A zone: a name, and all that end in it."""

    hosts: dict[Domain, tuple[Address, ...]] = Field(default_factory=dict)
    """Addresses of names in it."""
    wildcard: tuple[Address, ...] = ()
    """Addresses of all its other names. Then nobody else is asked about the zone."""
    forward: tuple[Address, ...] = ()
    """DNS servers that are asked for what is not said here. Default: those of the machines."""


class CorednsSettings(Model):
    """What pods are told of zones outside the cluster."""

    zones: dict[Domain, ZoneSettings] = Field(default_factory=dict)
    """The zones; a single name is one too."""

    def hidden(self, domain: str) -> str | None:
        """Return a zone of which pods do not see what the world sees, if it has names in common with a domain."""
        found = (name for name, zone in self.zones.items() if zone.wildcard or zone.forward)
        return next((name for name in found if _shared(name, domain)), None)


class Coredns(Layer[CorednsSettings]):
    """Zones that K3s' CoreDNS answers itself, or asks other servers about."""

    key = "coredns"
    settings_type = CorednsSettings
    namespace = "kube-system"
    own_namespace = False

    def values(self) -> Mapping[str, Tree]:
        """Return nothing: K3s brings CoreDNS."""
        return {}

    def extend(self) -> Sequence[Manifest]:
        """Return what K3s' CoreDNS reads besides its own configuration; it notices within two minutes."""
        zones = self.settings.zones.items()
        data = {f"{name}.server": _server(name, zone) for name, zone in zones}
        data |= {f"{name}.zone": _zone_file(name, zone) for name, zone in zones if zone.wildcard}
        metadata = self.metadata("coredns-custom")
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}] if data else []

    def problems(self) -> Iterator[Finding]:
        """Yield zones that say nothing, too much, or what would hide the cluster's own names."""
        k3s = self.lab.cluster.k3s
        if "coredns" in k3s.disable:
            yield (), "needs the CoreDNS of K3s, which k3s.disable leaves out", "take coredns out of k3s.disable"
        given = {**k3s.options, **k3s.server_options}.get("cluster-domain", "cluster.local")
        own = str(listed(given)[-1])
        for name, zone in self.settings.zones.items():
            if _shared(name, own):
                yield ("zones", name), f"would hide names of the cluster's own domain {own}", "choose another zone"
            if not (zone.hosts or zone.wildcard or zone.forward):
                yield ("zones", name), "says nothing", "add hosts, wildcard or forward"
            if zone.wildcard and zone.forward:
                reason = "is never asked, as wildcard answers all other names"
                yield ("zones", name, "forward"), reason, "keep one of them"
            yield from _hosts(name, zone)


def _hosts(name: str, zone: ZoneSettings) -> Iterator[Finding]:
    for host, addresses in zone.hosts.items():
        if not _within(host, name):
            yield ("zones", name, "hosts", host), f"is not in {name}", f"write a name that ends in {name}"
        if not addresses:
            yield ("zones", name, "hosts", host), "has no address", "add one"


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def _shared(one: str, other: str) -> bool:
    return _within(one, other) or _within(other, one)


def _server(name: str, zone: ZoneSettings) -> str:
    """A server block. Its plugins are asked in CoreDNS' own order: hosts, file, forward."""
    entries = [f"{address} {host}" for host, addresses in zone.hosts.items() for address in addresses]
    lines = ["errors", f"cache {_SECONDS}"]
    if entries:
        lines += ["hosts {", *(f"  {line}" for line in (*entries, f"ttl {_SECONDS}", "fallthrough")), "}"]
    if zone.wildcard:
        lines += [f"file {_FOLDER}/{name}.zone"]
    else:
        lines += [f"forward . {' '.join(zone.forward) or '/etc/resolv.conf'}"]
    return "\n".join((f"{name}:53 {{", *(f"  {line}" for line in lines), "}", ""))


def _zone_file(name: str, zone: ZoneSettings) -> str:
    """The zone as a file; CoreDNS reads it anew when its serial number changed."""
    kinds = [("AAAA" if ip_address(address).version == 6 else "A", address) for address in zone.wildcard]
    records = [f"{label} {_SECONDS} IN {kind} {address}" for label in "@*" for kind, address in kinds]
    serial = zlib.crc32("\n".join(records).encode())
    soa = f"@ {_SECONDS} IN SOA ns hostmaster {serial} 7200 1800 86400 {_SECONDS}"
    return "\n".join((f"$ORIGIN {name}.", soa, f"@ {_SECONDS} IN NS ns", *records, ""))
