"""The pages that a lab serves: their names, the address behind these, and the authority that vouches for them."""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from components.layers.cert_manager import CertManager
from components.layers.traefik import Traefik
from rehearsal.lab import Lab
from rehearsal.shell import RehearsalError

PORT = 443
Place = tuple[str, str]
"""Namespace and name."""
AUTHORITY: Place = (CertManager.namespace, "ca")
WILDCARD: Place = (Traefik.namespace, "wildcard")
"""Secrets of the lab's own authority, and of the certificate for names without one of their own."""
_ROUTES = "ingressroutes.traefik.io"
_HOST = re.compile(r"(?<!!)Host\(`([^`]+)`\)")


@dataclass(frozen=True)
class Page:
    """What the lab serves under a name: `of` is the object that says so, `secret` is to have its certificate."""

    host: str
    path: str
    namespace: str
    of: str
    address: str | None
    secret: Place


def found(lab: Lab) -> list[Page]:
    """Every page of the lab, once, by its name."""
    ingresses = objects(lab, "ingresses", "--all-namespaces")
    routes = objects(lab, _ROUTES, "--all-namespaces") if _knows_routes(lab) else []
    services = objects(lab, "services", "--all-namespaces", "--selector=app.kubernetes.io/name=traefik")
    address = next((found for each in services if (found := _address(each))), None)
    pages = [*_of_ingresses(ingresses, address), *_of_routes(routes, address)]
    return sorted({page.host: page for page in reversed(pages)}.values(), key=lambda page: page.host)


def chosen(pages: Sequence[Page], wanted: str) -> Page:
    """The page with that name, of which the first part will do where no other page has it."""
    fitting = [page for page in pages if page.host == wanted]
    fitting = fitting or [page for page in pages if page.host.partition(".")[0] == wanted]
    if len(fitting) != 1:
        there = ", ".join(page.host for page in fitting or pages) or "none"
        says = f"More than one page begins with {wanted}" if fitting else f"The lab serves no page {wanted}"
        raise RehearsalError(f"{says} (there: {there}).")
    return fitting[0]


def answers(lab: Lab, page: Page) -> bool:
    """Whether something takes connections where the page is."""
    return page.address is not None and lab.namespace.answers(page.address, PORT)


def authority(lab: Lab, page: Page) -> str | None:
    """The certificate of who vouches for the page's, as PEM; None where the lab does not have it."""
    # until a page has its own, Traefik shows one that the lab's own authority has signed
    found = _certificate(lab, page.secret, r"ca\.crt")
    return (_certificate(lab, AUTHORITY, r"tls\.crt") if found is None else found) or None


def _certificate(lab: Lab, place: Place, key: str) -> str | None:
    """A certificate in a Secret, empty where there is none in it, as with ACME; None without the Secret."""
    path = f"--output=jsonpath=there{{.data.{key}}}"  # the private key stays where it is
    found = lab.kubectl("get", "secret", "-n", *place, "--ignore-not-found", path)
    return base64.b64decode(found.removeprefix("there")).decode() if found else None


def objects(lab: Lab, kind: str, *where: str) -> list[dict[str, Any]]:
    """The objects of a kind that the cluster has."""
    items = json.loads(lab.kubectl("get", kind, *where, "--output=json"))["items"]
    assert isinstance(items, list)
    return items


def _knows_routes(lab: Lab) -> bool:
    return bool(lab.kubectl("get", "customresourcedefinitions", _ROUTES, "--ignore-not-found", "--output=name"))


def _of_ingresses(ingresses: Sequence[dict[str, Any]], address: str | None) -> Iterator[Page]:
    for each in ingresses:
        secrets = {
            name: tls.get("secretName") for tls in each["spec"].get("tls") or () for name in tls.get("hosts", ())
        }
        for rule in each["spec"].get("rules") or ():
            paths = [path.get("path", "/") for path in (rule.get("http") or {}).get("paths", ())]
            if host := rule.get("host"):
                at = _address(each) or address
                yield Page(
                    host,
                    min(paths, key=len, default="/"),
                    *_named("Ingress", each),
                    at,
                    _secret(each, secrets.get(host)),
                )


def _of_routes(routes: Sequence[dict[str, Any]], address: str | None) -> Iterator[Page]:
    for each in routes:
        secret = (each["spec"].get("tls") or {}).get("secretName")
        for route in each["spec"]["routes"]:
            for host in _HOST.findall(route["match"]):
                yield Page(host, "/", *_named("IngressRoute", each), address, _secret(each, secret))


def _named(kind: str, each: dict[str, Any]) -> tuple[str, str]:
    metadata = each["metadata"]
    return metadata["namespace"], f"{kind} {metadata['namespace']}/{metadata['name']}"


def _secret(each: dict[str, Any], name: str | None) -> Place:
    return (each["metadata"]["namespace"], name) if name else WILDCARD


def _address(each: dict[str, Any]) -> str | None:
    """The first address of a balancer in the status of a Service or an Ingress."""
    points = ((each.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return next((point["ip"] for point in points if "ip" in point), None)
