"""Finds the web UIs of a rehearsed lab, with host, address and CA certificate."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.layers.cert_manager.layer import CertManager
from components.layers.traefik.layer import Traefik
from rehearsal.lab import Lab
from rehearsal.shell import RehearsalError

PORT = 443
SecretRef = tuple[str, str]
"""Namespace and name of a Secret."""
CA_SECRET: SecretRef = (CertManager.namespace, "ca")
WILDCARD_SECRET: SecretRef = (Traefik.namespace, "wildcard")
"""Secrets of the lab's own CA and of Traefik's default certificate, for hosts without a certificate."""
_ROUTES = "ingressroutes.traefik.io"
_HOST = re.compile(r"(?<!!)Host\(`([^`]+)`\)")


@dataclass(frozen=True)
class WebUi:
    """A web UI; `served_by` is the name of its Ingress or IngressRoute, and `secret` identifies its TLS Secret."""

    host: str
    path: str
    namespace: str
    served_by: str
    address: str | None
    secret: SecretRef


def find_all(lab: Lab) -> list[WebUi]:
    """List the web UIs of a rehearsed lab, one for each host, sorted by host."""
    ingresses = list_objects(lab, "ingresses", "--all-namespaces")
    routes = list_objects(lab, _ROUTES, "--all-namespaces") if _knows_routes(lab) else []
    services = list_objects(lab, "services", "--all-namespaces", "--selector=app.kubernetes.io/name=traefik")
    address = next((ip for service in services if (ip := _address(service))), None)
    web_uis = [*_of_ingresses(ingresses, address), *_of_routes(routes, address)]
    return sorted({web_ui.host: web_ui for web_ui in reversed(web_uis)}.values(), key=lambda web_ui: web_ui.host)


def select(web_uis: Sequence[WebUi], wanted: str) -> WebUi:
    """Return the web UI whose host or first host label is `wanted`; fail unless exactly one web UI matches."""
    matching = [web_ui for web_ui in web_uis if web_ui.host == wanted]
    matching = matching or [web_ui for web_ui in web_uis if web_ui.host.partition(".")[0] == wanted]
    if len(matching) != 1:
        hosts = ", ".join(web_ui.host for web_ui in matching or web_uis) or "none"
        problem = f"More than one web UI begins with {wanted}" if matching else f"The lab has no web UI {wanted}"
        raise RehearsalError(f"{problem} (it has: {hosts}).")
    return matching[0]


def answers(lab: Lab, web_ui: WebUi) -> bool:
    """Return whether the web UI's address accepts connections."""
    return web_ui.address is not None and lab.netns.answers(web_ui.address, PORT)


def ca_certificate(lab: Lab, web_ui: WebUi) -> str | None:
    """Return the CA certificate (PEM) that verifies the web UI's certificate; None if the lab has no CA certificate."""
    # until a web UI has its own certificate, Traefik uses the default certificate, which the lab's CA signed
    own_ca = _certificate(lab, web_ui.secret, r"ca\.crt")
    return (_certificate(lab, CA_SECRET, r"tls\.crt") if own_ca is None else own_ca) or None


def _certificate(lab: Lab, secret: SecretRef, key: str) -> str | None:
    """Read a certificate from a Secret; return None if the Secret is missing, and "" if `key` is missing (ACME)."""
    path = f"--output=jsonpath=there{{.data.{key}}}"  # without the private key
    encoded = lab.kubectl("get", "secret", "-n", *secret, "--ignore-not-found", path)
    return base64.b64decode(encoded.removeprefix("there")).decode() if encoded else None


def list_objects(lab: Lab, kind: str, *where: str) -> list[dict[str, Any]]:
    """List the Kubernetes objects of a kind; `where` contains additional options for `kubectl get`."""
    items = json.loads(lab.kubectl("get", kind, *where, "--output=json"))["items"]
    assert isinstance(items, list)
    return items


def _knows_routes(lab: Lab) -> bool:
    return bool(lab.kubectl("get", "customresourcedefinitions", _ROUTES, "--ignore-not-found", "--output=name"))


def _of_ingresses(ingresses: Sequence[dict[str, Any]], address: str | None) -> Iterator[WebUi]:
    for ingress in ingresses:
        secrets = {
            name: tls.get("secretName") for tls in ingress["spec"].get("tls") or () for name in tls.get("hosts", ())
        }
        for rule in ingress["spec"].get("rules") or ():
            paths = [path.get("path", "/") for path in (rule.get("http") or {}).get("paths", ())]
            if (host := rule.get("host")) and "*" not in host:
                ingress_address = _address(ingress) or address
                yield WebUi(
                    host,
                    min(paths, key=len, default="/"),
                    *_named("Ingress", ingress),
                    ingress_address,
                    _secret(ingress, secrets.get(host)),
                )


def _of_routes(routes: Sequence[dict[str, Any]], address: str | None) -> Iterator[WebUi]:
    for route_object in routes:
        secret = (route_object["spec"].get("tls") or {}).get("secretName")
        for route in route_object["spec"]["routes"]:
            for host in _HOST.findall(route["match"]):
                yield WebUi(host, "/", *_named("IngressRoute", route_object), address, _secret(route_object, secret))


def _named(kind: str, item: dict[str, Any]) -> tuple[str, str]:
    metadata = item["metadata"]
    return metadata["namespace"], f"{kind} {metadata['namespace']}/{metadata['name']}"


def _secret(item: dict[str, Any], name: str | None) -> SecretRef:
    return (item["metadata"]["namespace"], name) if name else WILDCARD_SECRET


def _address(item: dict[str, Any]) -> str | None:
    """Return the first load balancer IP in the status of a Service or an Ingress; None without a load balancer IP."""
    points = ((item.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((point["ip"] for point in points if "ip" in point), None)
