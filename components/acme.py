"""Let's Encrypt: settings, its accounts and proofs as cert-manager's issuers, and what is wrong with them."""

from collections.abc import Iterator
from typing import Literal

from components import aws
from components.fields import HostPort, MailAddress, Switch, Text
from components.layer import Finding, Lab
from components.layers.coredns import CorednsSettings
from components.manifest import Manifest, Tree, secret_of
from components.model import Model, SecretRef

SERVERS = {
    "production": ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
    "staging": ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
}
"""The issuer of each of Let's Encrypt's servers: its name, and the server's URL."""


class Route53Settings(Model):
    """Proof by a record in Amazon Route 53."""

    region: Text
    """Region of AWS that is asked, such as eu-central-1."""
    hosted_zone_id: Text | None = None
    """Zone of the domain. Default: found by its name, which needs the right to list zones."""
    access_key: SecretRef | None = None
    """Secret that holds the access key's id. Default: what the machines are given by their surroundings."""
    secret_key: SecretRef | None = None
    """Secret that holds the secret access key."""


class CloudflareSettings(Model):
    """Proof by a record at Cloudflare."""

    api_token: SecretRef
    """Secret that holds an API token with the rights Zone.DNS.Edit and Zone.Zone.Read."""


class AcmeSettings(Model):
    """Certificates of Let's Encrypt, by exactly one of `route53`, `cloudflare` and `http01`."""

    email: MailAddress
    """Where Let's Encrypt writes to about the account."""
    server: Literal["production", "staging"] = "production"
    """Which of the issuers `letsencrypt` and `letsencrypt-staging`, which are both there, is the default one."""
    route53: Route53Settings | None = None
    """Prove the ownership of names by records in Amazon Route 53."""
    cloudflare: CloudflareSettings | None = None
    """Prove it by records at Cloudflare."""
    http01: Switch = False
    """Prove it by answers of Traefik, which the Internet must reach on ports 80 and 443; not for wildcard names."""
    nameservers: tuple[HostPort, ...] = ()
    """DNS servers asked whether a record is there already. Default: those of the machines."""


def nameservers(acme: AcmeSettings) -> dict[str, Tree]:
    """Return the values of cert-manager that say which DNS servers are asked."""
    if not acme.nameservers:
        return {}
    servers = ",".join(map(_with_port, acme.nameservers))
    return {"dns01RecursiveNameservers": servers, "dns01RecursiveNameserversOnly": True}


def _with_port(server: str) -> str:
    return server if ":" in server.rpartition("]")[2] else f"{server}:53"


def credentials(acme: AcmeSettings, namespace: str) -> list[Manifest]:
    """Return the secrets that the proofs need."""
    data: dict[str, Tree] = {}
    if acme.route53 and acme.route53.access_key:
        data["route53"] = {"accessKey": acme.route53.access_key, "secretKey": acme.route53.secret_key}
    if acme.cloudflare:
        data["cloudflare"] = {"apiToken": acme.cloudflare.api_token}
    return [secret_of({"name": name, "namespace": namespace}, keys) for name, keys in data.items()]


def issuers(acme: AcmeSettings) -> Iterator[tuple[str, Tree]]:
    """Yield the name and the specification of each issuer."""
    for name, url in SERVERS.values():
        account = {"email": acme.email, "server": url, "privateKeySecretRef": {"name": f"{name}-account"}}
        yield name, {"acme": account | {"solvers": [_solver(acme)]}}


def _solver(acme: AcmeSettings) -> Tree:
    if acme.cloudflare:
        return {"dns01": {"cloudflare": {"apiTokenSecretRef": {"name": "cloudflare", "key": "apiToken"}}}}
    if acme.route53:
        zone = {"hostedZoneID": acme.route53.hosted_zone_id} if acme.route53.hosted_zone_id else {}
        return {"dns01": {"route53": {"region": acme.route53.region} | zone | _keys(acme.route53)}}
    return {"http01": {"ingress": {"ingressClassName": "traefik", "serviceType": "ClusterIP"}}}


def _keys(route53: Route53Settings) -> dict[str, Tree]:
    if route53.access_key is None:
        return {}
    return {
        "accessKeyIDSecretRef": {"name": "route53", "key": "accessKey"},
        "secretAccessKeySecretRef": {"name": "route53", "key": "secretKey"},
    }


def problems(acme: AcmeSettings, lab: Lab) -> Iterator[Finding]:
    """Yield what is wrong with the way in which names are proved."""
    if [acme.route53 is not None, acme.cloudflare is not None, acme.http01].count(True) != 1:
        yield ("acme",), "needs exactly one of route53, cloudflare and http01", "add one, or keep one of them"
    if acme.http01 and not lab.has("traefik"):
        yield ("acme", "http01"), "needs traefik, which is off", "add traefik: {} beside certManager"
    if acme.http01 and acme.nameservers:
        yield ("acme", "nameservers"), "has no use with http01, which looks at no records", "leave it out"
    yield from _hidden(acme, lab)
    if acme.route53:
        yield from aws.problems(acme.route53.access_key, acme.route53.secret_key, "acme", "route53")


def _hidden(acme: AcmeSettings, lab: Lab) -> Iterator[Finding]:
    """Whether pods would look for the records of proofs in vain: where CoreDNS tells them something else."""
    coredns = lab.of(CorednsSettings)
    zone = coredns.hidden(lab.cluster.domain) if coredns else None
    if zone and not acme.http01 and not acme.nameservers:
        reason = f"is missing, as coredns tells pods something else of {zone} than the world is told"
        yield ("acme", "nameservers"), reason, "name DNS servers that the world asks, such as [1.1.1.1, 9.9.9.9]"
