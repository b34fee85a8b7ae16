"""Settings of the DNS providers of ExternalDNS, checks of these settings, and Helm values."""

from collections.abc import Mapping
from typing import Literal

from components.kubernetes.manifest import Json
from components.layers.shared import aws
from components.platform.object_store import Region
from components.settings.fields import Domain, Host, Port, Text
from components.settings.model import Model, SecretRef


class Route53ZoneSettings(aws.AwsKeysSettings):
    """Settings of the hosted zones in Amazon Route 53 in which ExternalDNS creates records."""

    hosted_zone_id: Text | None = None
    """ID of the hosted zone in which ExternalDNS creates records. Default: all hosted zones for the domains of
    ExternalDNS."""
    region: Region = "us-east-1"
    """AWS region of the API. Route 53 has the same records in all AWS regions, except in China."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Pulumi secrets that contain the DNS provider's credentials, by environment variable of ExternalDNS."""
        if self.access_key is None or self.secret_key is None:
            return {}
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}


class CloudflareZoneSettings(Model):
    """Settings of the zones at Cloudflare in which ExternalDNS creates records."""

    api_token: SecretRef
    """Pulumi secret that contains a Cloudflare API token with the permissions Zone.DNS.Edit and Zone.Zone.Read."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Pulumi secrets that contain the DNS provider's credentials, by environment variable of ExternalDNS."""
        return {"CF_API_TOKEN": self.api_token}


class Rfc2136Settings(Model):
    """Settings of a DNS server that accepts dynamic updates (RFC 2136) and zone transfers with the same TSIG key."""

    server: Host
    """Host name or IP address of the DNS server."""
    port: Port = 53
    """Port of the DNS server."""
    key_name: Domain
    """Name of the TSIG key."""
    key: SecretRef
    """Pulumi secret that contains the base64-encoded TSIG key."""
    algorithm: Literal["hmac-sha256", "hmac-sha512"] = "hmac-sha256"
    """Algorithm of the TSIG key."""

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Pulumi secrets that contain the DNS provider's credentials, by environment variable of ExternalDNS."""
        return {"EXTERNAL_DNS_RFC2136_TSIG_SECRET": self.key}


def helm_values(
    route53: Route53ZoneSettings | None,
    cloudflare: CloudflareZoneSettings | None,
    rfc2136: Rfc2136Settings | None,
    domains: tuple[str, ...],
) -> dict[str, Json]:
    """Return the Helm values of ExternalDNS that depend on the DNS provider.

    With RFC 2136, ExternalDNS treats each domain as a DNS zone.
    """
    if rfc2136:
        arguments = [
            f"--rfc2136-host={rfc2136.server}",
            f"--rfc2136-port={rfc2136.port}",
            *(f"--rfc2136-zone={domain}" for domain in domains),
            f"--rfc2136-tsig-keyname={rfc2136.key_name}",
            f"--rfc2136-tsig-secret-alg={rfc2136.algorithm}",
            "--rfc2136-tsig-axfr",
        ]
        return {"provider": {"name": "rfc2136"}, "extraArgs": arguments}
    if cloudflare:
        return {"provider": {"name": "cloudflare"}}
    values: dict[str, Json] = {"provider": {"name": "aws"}}
    if route53:
        values["env"] = [{"name": "AWS_REGION", "value": route53.region}]  # the AWS SDK needs a region
        values |= {"extraArgs": [f"--zone-id-filter={zone}"]} if (zone := route53.hosted_zone_id) else {}
    return values
