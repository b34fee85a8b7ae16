"""ExternalDNS, which publishes the host names of apps and web UIs in DNS."""

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
    """Settings of ExternalDNS, which publishes host names in DNS.

    Set exactly one DNS provider: `route53`, `cloudflare` or `rfc2136`.
    """

    route53: Route53ZoneSettings | None = None
    """Publish host names in Amazon Route 53."""
    cloudflare: CloudflareZoneSettings | None = None
    """Publish host names in Cloudflare DNS."""
    rfc2136: Rfc2136Settings | None = None
    """Publish host names on a DNS server that supports dynamic updates according to RFC 2136."""
    domains: tuple[Domain, ...] = ()
    """Domains in which ExternalDNS may create DNS records. Default: the lab's domain."""
    sync: StrictBool = False
    """Whether ExternalDNS deletes the DNS records of deleted Ingresses and Services. With `sync: true`, homelab deletes
    all DNS records that ExternalDNS has created when you disable the layer externalDns."""
    owner: Text | None = None
    """Owner ID of the DNS records. If several clusters use the same domain, each cluster needs its own owner ID.
    Default: the cluster's name and domain, in the form `NAME.DOMAIN`."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Pulumi secrets that contain the DNS provider's credentials, by environment variable of ExternalDNS."""
        chosen = self.route53 or self.cloudflare or self.rfc2136
        return chosen.secrets if chosen else {}


class ExternalDns(Layer[ExternalDnsSettings]):
    """Layer for ExternalDNS, which publishes host names of Ingresses, LoadBalancer Services and DNSEndpoints."""

    key = "externalDns"
    settings_type = ExternalDnsSettings
    namespace = "external-dns"
    pod_security = "restricted"
    installs_after = ("metallb", "traefik", "monitoring")
    charts_with_crds_folder = (_NAME,)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of ExternalDNS. ExternalDNS supports only one replica."""
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
            # ExternalDNS reads its credentials only at startup, so changed credentials must restart the pod
            "podAnnotations": {f"homelab/{name}": BcryptHash(secret) for name, secret in settings.secrets.items()},
            "priorityClassName": "system-cluster-critical",
            "resources": resources("10m", "128Mi"),
            "serviceMonitor": {"enabled": self.has_monitoring},
        }
        return {_NAME: values}

    def host_services(self) -> Sequence[HostService]:
        """If `sync` is set, return the host service that deletes ExternalDNS' records before Pulumi deletes the
        layer."""
        variables = {"NAMESPACE": self.namespace, "SYNC": "yes" if self.settings.sync else "no"}
        run, undo = ("external-dns/start.sh",), ("external-dns/delete-records.sh",)
        return [HostService("records", "", run, undo, variables=variables, runs_last=True)]

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes Secret that contains the DNS provider's credentials."""
        data = dict(self.settings.secrets)
        metadata = self.metadata(_NAME)
        return [secret_manifest(metadata, data)] if data else ()

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains in which ExternalDNS may create DNS records."""
        return self.settings.domains or (self.lab.cluster.domain,)

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the settings of the DNS provider."""
        yield from exactly_one((), self.settings, "route53", "cloudflare", "rfc2136")
        if self.settings.route53:
            yield from aws.findings(self.settings.route53, "route53")


def _env_from_secret(name: str) -> Json:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": _NAME, "key": name}}}
