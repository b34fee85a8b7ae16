"""Stand-in operator for Let's Encrypt: makes issuers trust Pebble, and adds Ingress hosts to the rehearsal's DNS."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from rehearsal.controllers.api import Json, KubernetesApi

API_GROUP = "apis/cert-manager.io/v1"
ISSUER_KINDS = ("clusterissuers", "issuers")
INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
DOMAIN = "letsencrypt.org"
CA_FILE, HOSTS_FILE = "ca.pem", "hosts"


def reconcile(api: KubernetesApi, folder: Path) -> None:
    """Set Pebble's CA in all Let's Encrypt issuers, and write all Ingress hosts to the hosts file of the DNS server."""
    hosts_file = folder / HOSTS_FILE
    if not hosts_file.exists():
        return
    lines = sorted(set(_lines(api)))
    text = "".join(f"{line}\n" for line in lines)
    if text != hosts_file.read_text():
        hosts_file.write_text(text)
    bundle = base64.b64encode((folder / CA_FILE).read_bytes()).decode()
    for plural in ISSUER_KINDS:
        for issuer in api.items(f"/{API_GROUP}/{plural}"):
            if _asks(issuer) and issuer["spec"]["acme"].get("caBundle") != bundle:
                _introduce(api, _path(plural, issuer["metadata"]), bundle)


def _introduce(api: KubernetesApi, path: str, bundle: str) -> None:
    """Make an issuer trust a restarted Pebble, and reset the issuer's ACME account, which Pebble has lost."""
    api.patch(f"{path}/status", {"status": {"acme": None}})
    api.patch(path, {"spec": {"acme": {"caBundle": bundle}}})


def _path(plural: str, metadata: Json) -> str:
    scope = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"/{API_GROUP}/{scope}{plural}/{metadata['name']}"


def _asks(issuer: Json) -> bool:
    host = urlsplit((issuer["spec"].get("acme") or {}).get("server", "")).hostname or ""
    return host.endswith(f".{DOMAIN}")


def _lines(api: KubernetesApi) -> Iterator[str]:
    """Yield a line for the hosts file for each host of each Ingress that has an IP address."""
    for ingress in api.items(INGRESSES):
        load_balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
        for point in load_balancer.get("ingress") or ():
            for rule in ingress["spec"].get("rules") or ():
                if point.get("ip") and rule.get("host"):
                    yield f"{point['ip']} {rule['host']}"
