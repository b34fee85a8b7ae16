"""ExternalDNS: names of apps and pages in the DNS of a provider, or of a server of your own."""

from collections.abc import Iterator, Mapping, Sequence

from components import dns
from components.dns import CloudflareZoneSettings, Rfc2136Settings, Route53ZoneSettings
from components.fields import Domain, Switch, Text
from components.host import Service
from components.layer import Finding, Layer, resources
from components.manifest import Hashed, Manifest, Tree, secret_of
from components.model import Model, SecretRef

_NAME = "external-dns"


class ExternalDnsSettings(Model):
    """ExternalDNS: names in DNS by exactly one of `route53`, `cloudflare` and `rfc2136`."""

    route53: Route53ZoneSettings | None = None
    """Records in Amazon Route 53."""
    cloudflare: CloudflareZoneSettings | None = None
    """Records at Cloudflare."""
    rfc2136: Rfc2136Settings | None = None
    """Records in a DNS server that takes dynamic updates."""
    domains: tuple[Domain, ...] = ()
    """Domains in which it may write. Default: the lab's."""
    sync: Switch = False
    """Whether it removes records too: those whose Ingress or Service is gone, and all of its own when it goes."""
    owner: Text | None = None
    """Mark by which it knows its records, unlike that of any other cluster. Default: `NAME.DOMAIN` of this one."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """What the provider's access needs, by the environment's variable that takes it."""
        chosen = self.route53 or self.cloudflare or self.rfc2136
        return chosen.secrets if chosen else {}


class ExternalDns(Layer[ExternalDnsSettings]):
    """ExternalDNS for Ingresses, Services of type LoadBalancer and DNSEndpoints."""

    key = "externalDns"
    settings_type = ExternalDnsSettings
    namespace = "external-dns"
    security = "restricted"
    after = ("metallb", "traefik", "monitoring")
    bare_crds = (_NAME,)

    def values(self) -> Mapping[str, Tree]:
        """Return the controller, of which there must be one only."""
        given = self.settings
        provider = dns.provider(given.route53, given.cloudflare, given.rfc2136, self.domains)
        values: dict[str, Tree] = {
            **provider,
            "sources": ["service", "ingress", "crd"],
            "policy": "sync" if given.sync else "upsert-only",
            "registry": "txt",
            "txtOwnerId": given.owner or f"{self.lab.cluster.name}.{self.lab.cluster.domain}",
            "domainFilters": list(self.domains),
            "triggerLoopOnEvent": True,
            "env": [*provider.get("env", ()), *map(_variable, given.secrets)],
            # it reads them when it starts: with another secret it starts anew
            "podAnnotations": {f"homelab/{name}": Hashed(secret) for name, secret in given.secrets.items()},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "128Mi"),
            "serviceMonitor": {"enabled": self.monitored},
        }
        return {_NAME: values}

    def services(self) -> Sequence[Service]:
        """Return how its records are taken out of DNS before it goes."""
        variables = {"NAMESPACE": self.namespace, "SYNC": "yes" if self.settings.sync else "no"}
        return [Service("records", "", ("announce.sh",), ("withdraw.sh",), variables=variables, last=True)]

    def before(self) -> Sequence[Manifest]:
        """Return the credentials."""
        data = dict(self.settings.secrets)
        metadata = self.metadata(_NAME)
        return [secret_of(metadata, data)] if data else ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains in which it may write."""
        return self.settings.domains or (self.lab.cluster.domain,)

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong with the provider."""
        return dns.problems(self.settings.route53, self.settings.cloudflare, self.settings.rfc2136)


def _variable(name: str) -> Tree:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": _NAME, "key": name}}}
