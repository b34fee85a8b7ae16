"""Let's Encrypt in a lab: its issuers trust the ACME server of the rehearsal, which finds the hosts of Ingresses."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from rehearsal.operators.api import Json, Objects

GROUP = "apis/cert-manager.io/v1"
KINDS = ("clusterissuers", "issuers")
INGRESSES = "/apis/networking.k8s.io/v1/ingresses"
DOMAIN = "letsencrypt.org"
AUTHORITY, KNOWN = "ca.pem", "hosts"


def reconcile(api: Objects, folder: Path) -> None:
    """Have issuers trust the authority in `folder`, and note there where the hosts of Ingresses are."""
    known = folder / KNOWN
    if not known.exists():
        return
    lines = sorted(set(_lines(api)))
    text = "".join(f"{line}\n" for line in lines)
    if text != known.read_text():
        known.write_text(text)
    bundle = base64.b64encode((folder / AUTHORITY).read_bytes()).decode()
    for plural in KINDS:
        for issuer in api.items(f"/{GROUP}/{plural}"):
            if _asks(issuer) and issuer["spec"]["acme"].get("caBundle") != bundle:
                _introduce(api, _path(plural, issuer["metadata"]), bundle)


def _introduce(api: Objects, path: str, bundle: str) -> None:
    """Have an issuer trust a server that it has not met: what it knows of an account there is of the one before."""
    api.patch(f"{path}/status", {"status": {"acme": None}})
    api.patch(path, {"spec": {"acme": {"caBundle": bundle}}})


def _path(plural: str, metadata: Json) -> str:
    place = f"namespaces/{metadata['namespace']}/" if "namespace" in metadata else ""
    return f"/{GROUP}/{place}{plural}/{metadata['name']}"


def _asks(issuer: Json) -> bool:
    host = urlsplit((issuer["spec"].get("acme") or {}).get("server", "")).hostname or ""
    return host.endswith(f".{DOMAIN}")


def _lines(api: Objects) -> Iterator[str]:
    """A line for each host of an Ingress that has an address."""
    for ingress in api.items(INGRESSES):
        balancer = (ingress.get("status") or {}).get("loadBalancer") or {}
        for place in balancer.get("ingress") or ():
            for rule in ingress["spec"].get("rules") or ():
                if place.get("ip") and rule.get("host"):
                    yield f"{place['ip']} {rule['host']}"
