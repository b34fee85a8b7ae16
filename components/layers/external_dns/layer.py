"""ExternalDNS: publishes the host names of apps and web UIs in DNS."""

from collections.abc import Iterator, Mapping, Sequence

from components.cluster.host_requirements import HostService
from components.kubernetes.manifest import BcryptHash, Json, Manifest, secret_manifest
from components.layers.external_dns import providers
from components.layers.external_dns.providers import CloudflareZoneSettings, Rfc2136Settings, Route53ZoneSettings
from components.layers.shared import aws
from components.platform.layer import Layer, resources
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import Domain, StrictBool, Text
from components.settings.model import Model, SecretRef

_NAME = "external-dns"


class ExternalDnsSettings(Model):
    """ExternalDNS: publishes host names in DNS. Set exactly one of `route53`, `cloudflare` and `rfc2136`."""

    route53: Route53ZoneSettings | None = None
    """Publish host names in Amazon Route 53."""
    cloudflare: CloudflareZoneSettings | None = None
    """Publish host names in Cloudflare DNS."""
    rfc2136: Rfc2136Settings | None = None
    """Publish host names on a DNS server that supports dynamic updates (RFC 2136)."""
    domains: tuple[Domain, ...] = ()
    """Domains in which ExternalDNS may write records. Default: the lab's domain."""
    sync: StrictBool = False
    """Whether ExternalDNS deletes the records of deleted Ingresses and Services. With `sync`, the removal of the layer
    deletes all records that ExternalDNS created."""
    owner: Text | None = None
    """Owner ID of the DNS records. Every cluster needs a different owner ID. Default: name and domain of the cluster,
    as `NAME.DOMAIN`."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Secrets with the DNS provider's credentials, by the name of ExternalDNS' environment variable."""
        chosen = self.route53 or self.cloudflare or self.rfc2136
        return chosen.secrets if chosen else {}


class ExternalDns(Layer[ExternalDnsSettings]):
    """ExternalDNS, which publishes the host names of Ingresses, Services of type LoadBalancer and DNSEndpoints."""

    key = "externalDns"
    settings_type = ExternalDnsSettings
    namespace = "external-dns"
    pod_security = "restricted"
    installs_after = ("metallb", "traefik", "monitoring")
    charts_with_crds_folder = (_NAME,)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of ExternalDNS, which supports only one replica."""
        settings = self.settings
        provider = providers.helm_values(settings.route53, settings.cloudflare, settings.rfc2136, self.domains)
        values: dict[str, Json] = {
            **provider,
            "sources": ["service", "ingress", "crd"],
            "policy": "sync" if settings.sync else "upsert-only",
            "registry": "txt",
            "txtOwnerId": settings.owner or f"{self.lab.cluster.name}.{self.lab.cluster.domain}",
            "domainFilters": list(self.domains),
            "triggerLoopOnEvent": True,
            "env": [*provider.get("env", ()), *map(_env_from_secret, settings.secrets)],
            # ExternalDNS reads credentials only at startup, so a changed secret must restart the pod
            "podAnnotations": {f"homelab/{name}": BcryptHash(secret) for name, secret in settings.secrets.items()},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "128Mi"),
            "serviceMonitor": {"enabled": self.has_monitoring},
        }
        return {_NAME: values}

    def host_services(self) -> Sequence[HostService]:
        """Return the service that deletes DNS records before the layer is removed, if `sync` is set."""
        variables = {"NAMESPACE": self.namespace, "SYNC": "yes" if self.settings.sync else "no"}
        run, undo = ("external-dns/start.sh",), ("external-dns/delete-records.sh",)
        return [HostService("records", "", run, undo, variables=variables, runs_last=True)]

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Secret with the DNS provider's credentials."""
        data = dict(self.settings.secrets)
        metadata = self.metadata(_NAME)
        return [secret_manifest(metadata, data)] if data else ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains in which ExternalDNS may write records."""
        return self.settings.domains or (self.lab.cluster.domain,)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings of the DNS provider."""
        yield from exactly_one((), self.settings, "route53", "cloudflare", "rfc2136")
        if self.settings.route53:
            yield from aws.findings(self.settings.route53, "route53")


def _env_from_secret(name: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": _NAME, "key": name}}}
