"""Settings of Let's Encrypt, checks of these settings, and the ACME ClusterIssuers of cert-manager."""

from collections.abc import Iterator
from typing import Literal

from components.kubernetes.manifest import Json, Manifest, secret_manifest
from components.layers.cert_manager import webhook
from components.layers.cert_manager.webhook import WebhookSolverSettings
from components.layers.coredns import CorednsSettings
from components.layers.shared import aws
from components.platform.layer import LabContext
from components.settings.checks import exactly_one
from components.settings.errors import Finding
from components.settings.fields import HostPort, MailAddress, StrictBool, Text, TsigKeyName
from components.settings.model import Model, SecretRef

SERVERS = {
    "production": ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    "staging": ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
}
"""ACME servers of Let's Encrypt: the ClusterIssuer's name and the URL of each server."""


class Route53Settings(aws.AwsKeysSettings):
    """Settings of DNS-01 challenges with DNS records in Amazon Route 53."""

    region: Text
    """AWS region for requests to Route 53, such as eu-central-1."""
    hosted_zone_id: Text | None = None
    """ID of the Route 53 hosted zone for the domain. Default: cert-manager finds the hosted zone by domain name, which
    requires the permission to list hosted zones."""


class CloudflareSettings(Model):
    """Settings of DNS-01 challenges with DNS records at Cloudflare."""

    api_token: SecretRef
    """Pulumi secret that contains a Cloudflare API token with the permissions Zone.DNS.Edit and Zone.Zone.Read."""


class Rfc2136SolverSettings(Model):
    """Settings of DNS-01 challenges with dynamic updates (RFC 2136) of your own DNS server, such as BIND, Knot DNS or
    PowerDNS.

    Let's Encrypt must find the TXT records of the challenges in public DNS.
    """

    nameserver: HostPort
    """Host name or IP address of the DNS server that accepts the updates, with an optional port. The default port is
    53."""
    tsig_key_name: TsigKeyName
    """Name of the TSIG key in the configuration of the DNS server."""
    tsig_secret: SecretRef
    """Pulumi secret that contains the base64-encoded TSIG key."""
    tsig_algorithm: Literal["HMACMD5", "HMACSHA1", "HMACSHA256", "HMACSHA512"] = "HMACSHA256"
    """Algorithm of the TSIG key."""


class AcmeSettings(Model):
    """Settings of the ACME service Let's Encrypt, which issues certificates.

    Set exactly one solver of ACME challenges: `route53`, `cloudflare`, `rfc2136`, `webhook` or `http01`.
    """

    email: MailAddress
    """Contact email address for the Let's Encrypt account."""
    server: Literal["production", "staging"] = "production"
    """Default ClusterIssuer: `letsencrypt` (production) or `letsencrypt-staging` (staging). homelab creates both
    ClusterIssuers of Let's Encrypt."""
    route53: Route53Settings | None = None
    """Solve DNS-01 challenges with DNS records in Amazon Route 53."""
    cloudflare: CloudflareSettings | None = None
    """Solve DNS-01 challenges with DNS records at Cloudflare."""
    rfc2136: Rfc2136SolverSettings | None = None
    """Solve DNS-01 challenges with DNS records on a DNS server that supports dynamic updates according to RFC 2136."""
    webhook: WebhookSolverSettings | None = None
    """Solve DNS-01 challenges with a webhook, which is a program that changes the DNS records of a DNS
    provider."""
    http01: StrictBool = False
    """Solve HTTP-01 challenges through Traefik. Let's Encrypt must reach Traefik from the Internet on ports 80 and 443.
    Let's Encrypt issues no wildcard certificates for HTTP-01 challenges."""
    nameservers: tuple[HostPort, ...] = ()
    """DNS servers with which cert-manager checks whether the TXT records of DNS-01 challenges are visible. Default: the
    DNS servers of the machines."""


def nameserver_values(acme: AcmeSettings) -> dict[str, Json]:
    """Return the Helm values of cert-manager for the setting `acme.nameservers`."""
    if not acme.nameservers:
        return {}
    servers = ",".join(map(_with_port, acme.nameservers))
    return {"dns01RecursiveNameservers": servers, "dns01RecursiveNameserversOnly": True}


def _with_port(server: str) -> str:
    return server if ":" in server.rpartition("]")[2] else f"{server}:53"


def credential_secrets(acme: AcmeSettings, namespace: str) -> list[Manifest]:
    """Return the Kubernetes Secrets that contain the DNS provider's credentials for DNS-01 challenges."""
    data: dict[str, Json] = {}
    if acme.route53 and acme.route53.access_key:
        data["route53"] = {"accessKey": acme.route53.access_key, "secretKey": acme.route53.secret_key}
    if acme.cloudflare:
        data["cloudflare"] = {"apiToken": acme.cloudflare.api_token}
    if acme.rfc2136:
        data["rfc2136"] = {"tsigSecret": acme.rfc2136.tsig_secret}
    if acme.webhook and acme.webhook.secrets:
        data[webhook.NAME] = acme.webhook.secrets
    return [secret_manifest({"name": name, "namespace": namespace}, keys) for name, keys in data.items()]


def issuers(acme: AcmeSettings) -> Iterator[tuple[str, Json]]:
    """Yield the name and the spec of each ClusterIssuer for ACME."""
    for name, url in SERVERS.values():
        account = {"email": acme.email, "server": url, "privateKeySecretRef": {"name": f"{name}-account"}}
        yield name, {"acme": account | {"solvers": [_solver(acme)]}}


def _solver(acme: AcmeSettings) -> Json:
    if acme.cloudflare:
        return {"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": "cloudflare", "key": "apiToken"}}}}
    if acme.rfc2136:
        return {"dns01": {"rfc2136": _rfc2136_solver(acme.rfc2136)}}
    if acme.webhook:
        return {"dns01": {"webhook": acme.webhook.solver}}
    if acme.route53:
        zone = {"hostedZoneID": acme.route53.hosted_zone_id} if acme.route53.hosted_zone_id else {}
        return {"dns01": {"route53": {"region": acme.route53.region} | zone | _key_references(acme.route53)}}
    return {"http01": {"ingress": {"ingressClassName": "traefik", "serviceType": "ClusterIP"}}}


def _rfc2136_solver(rfc2136: Rfc2136SolverSettings) -> dict[str, Json]:
    return {
        "nameserver": rfc2136.nameserver,
        "tsigKeyName": rfc2136.tsig_key_name,
        "tsigAlgorithm": rfc2136.tsig_algorithm,
        "tsigSecretSecretRef": {"name": "rfc2136", "key": "tsigSecret"},
    }


def _key_references(route53: Route53Settings) -> dict[str, Json]:
    if route53.access_key is None:
        return {}
    return {
        "accessKeyIDSecretRef": {"name": "route53", "key": "accessKey"},
        "secretAccessKeySecretRef": {"name": "route53", "key": "secretKey"},
    }


def findings(acme: AcmeSettings, lab: LabContext) -> Iterator[Finding]:
    """Yield errors in the settings under `certManager.acme`."""
    yield from exactly_one(("acme",), acme, "route53", "cloudflare", "rfc2136", "webhook", "http01")
    if acme.http01 and not lab.is_enabled("traefik"):
        yield ("acme", "http01"), "needs traefik, which is disabled", "add traefik: {} next to certManager"
    if acme.http01 and acme.nameservers:
        yield ("acme", "nameservers"), "has no effect, because http01 challenges use no DNS records", "remove it"
    yield from _split_horizon(acme, lab)
    if acme.route53:
        yield from aws.findings(acme.route53, "acme", "route53")


def _split_horizon(acme: AcmeSettings, lab: LabContext) -> Iterator[Finding]:
    """Yield an error if a zone of the layer coredns hides the DNS records of DNS-01 challenges from cert-manager."""
    coredns = lab.settings_of(CorednsSettings)
    zone = coredns.overlapping_zone(lab.cluster.domain) if coredns else None
    if zone and not acme.http01 and not acme.nameservers:
        reason = f"is missing: the zone {zone} of the layer coredns hides the TXT records of ACME challenges"
        yield ("acme", "nameservers"), reason, "add public DNS servers, such as [1.1.1.1, 9.9.9.9]"
