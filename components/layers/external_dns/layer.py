"""ExternalDNS: publishes the host names of apps and web UIs in DNS."""

from collections.abc import Iterator, Mapping, Sequence

from components.cluster.host_requirements import Service
from components.kubernetes.manifest import Hashed, Manifest, Tree, secret_of
from components.layers.external_dns import providers
from components.layers.external_dns.providers import CloudflareZoneSettings, Rfc2136Settings, Route53ZoneSettings
from components.platform.layer import Finding, Layer, resources
from components.settings.fields import Domain, Switch, Text
from components.settings.model import Model, SecretRef

_NAME = "external-dns"


class ExternalDnsSettings(Model):
    """ExternalDNS: publishes host names in DNS, with exactly one of `route53`, `cloudflare` and `rfc2136`."""

    route53: Route53ZoneSettings | None = None
    """DNS records in Amazon Route 53."""
    cloudflare: CloudflareZoneSettings | None = None
    """DNS records at Cloudflare."""
    rfc2136: Rfc2136Settings | None = None
    """DNS records on a DNS server that supports dynamic updates (RFC 2136)."""
    domains: tuple[Domain, ...] = ()
    """Domains in which ExternalDNS may write records. Default: the lab's domain."""
    sync: Switch = False
    """Whether ExternalDNS deletes records too: the records of deleted Ingresses and Services and, when the layer is
    removed, all records that it created."""
    owner: Text | None = None
    """Owner ID of the DNS records; every cluster needs its own. Default: `NAME.DOMAIN` of the cluster."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Secrets with the provider's credentials, by environment variable."""
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
        """Return the Helm values of ExternalDNS, which must run with a single replica."""
        settings = self.settings
        provider = providers.provider(settings.route53, settings.cloudflare, settings.rfc2136, self.domains)
        values: dict[str, Tree] = {
            **provider,
            "sources": ["service", "ingress", "crd"],
            "policy": "sync" if settings.sync else "upsert-only",
            "registry": "txt",
            "txtOwnerId": settings.owner or f"{self.lab.cluster.name}.{self.lab.cluster.domain}",
            "domainFilters": list(self.domains),
            "triggerLoopOnEvent": True,
            "env": [*provider.get("env", ()), *map(_env_from_secret, settings.secrets)],
            # ExternalDNS reads credentials only at startup: a changed secret restarts the pod
            "podAnnotations": {f"homelab/{name}": Hashed(secret) for name, secret in settings.secrets.items()},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "128Mi"),
            "serviceMonitor": {"enabled": self.monitored},
        }
        return {_NAME: values}

    def services(self) -> Sequence[Service]:
        """Return the service that deletes DNS records before the layer is removed, if `sync` is set."""
        variables = {"NAMESPACE": self.namespace, "SYNC": "yes" if self.settings.sync else "no"}
        run, undo = ("external-dns/start.sh",), ("external-dns/delete-records.sh",)
        return [Service("records", "", run, undo, variables=variables, last=True)]

    def before(self) -> Sequence[Manifest]:
        """Return the Secret with the provider's credentials."""
        data = dict(self.settings.secrets)
        metadata = self.metadata(_NAME)
        return [secret_of(metadata, data)] if data else ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains in which ExternalDNS may write records."""
        return self.settings.domains or (self.lab.cluster.domain,)

    def problems(self) -> Iterator[Finding]:
        """Yield errors in the settings of the DNS provider."""
        return providers.problems(self.settings.route53, self.settings.cloudflare, self.settings.rfc2136)


def _env_from_secret(name: str) -> Tree:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": _NAME, "key": name}}}
