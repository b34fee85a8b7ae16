"""Traefik's Middlewares and ServersTransport, which implement the options of an app's Ingress."""

from collections.abc import Iterable, Iterator
from functools import partial

import pulumi

from components.app import hosts
from components.app.ingress_settings import AppBasicAuthSettings, AppForwardAuthSettings, AppRedirectSettings
from components.app.objects import metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.redirects import redirect_regex
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest
from components.settings.quantities import mebibytes

_TRANSPORT = "transport"


def middlewares(
    app: AppSettings, platform: AppPlatformOutputs, htpasswd: pulumi.Input[str] | None
) -> Iterator[Manifest]:
    """Yield the app's Traefik Middlewares in the order in which Traefik applies the Middlewares to a request. The
    parameter `htpasswd` is the name of the Kubernetes Secret with the users and password hashes."""
    for suffix, spec in _specs(app, platform, htpasswd):
        # Traefik identifies a Middleware by NAMESPACE-NAME; because a suffix contains no dash, this ID is unique
        yield _custom_resource(app, "Middleware", suffix, spec)


def names(app: AppSettings) -> Iterator[str]:
    """Yield the names of the app's Traefik Middlewares."""
    settings = app.ingress
    numbered = {f"redirect{number}": redirect for number, redirect in enumerate(settings.redirects, start=1)}
    options = {
        "response": settings.response_headers,
        "allow": settings.allow_from,
        **numbered,
        "auth": settings.basic_auth or settings.forward_auth,
        "body": settings.max_body_size,
        "request": settings.request_headers,
        "strip": settings.strip_prefix,
    }
    yield from (f"{app.name}-{suffix}" for suffix, option in options.items() if option)


def references(app: AppSettings, manifests: Iterable[Manifest]) -> list[str]:
    """Return the names by which the app's Ingress references the user's Middlewares and the Middlewares in
    `manifests`."""
    return [*app.ingress.middlewares, *(_reference(app, each["metadata"]["name"]) for each in manifests)]


def transports(app: AppSettings) -> Iterator[Manifest]:
    """Yield the Traefik ServersTransport with the app's response timeout if `ingress.responseTimeout` is set."""
    if app.ingress.response_timeout:
        limit = {"responseHeaderTimeout": f"{app.ingress.response_timeout}s"}
        yield _custom_resource(app, "ServersTransport", _TRANSPORT, {"forwardingTimeouts": limit})


def transport_annotations(app: AppSettings) -> dict[str, str]:
    """Return the annotations of the app's Service that reference the Traefik ServersTransport."""
    if not app.ingress.response_timeout:
        return {}
    reference = _reference(app, f"{app.name}-{_TRANSPORT}")
    return {"traefik.ingress.kubernetes.io/service.serverstransport": reference}


def _specs(
    app: AppSettings, platform: AppPlatformOutputs, htpasswd: pulumi.Input[str] | None
) -> Iterator[tuple[str, Json]]:
    settings = app.ingress
    if settings.response_headers:
        yield "response", {"headers": {"customResponseHeaders": dict(settings.response_headers)}}
    if settings.allow_from:
        yield "allow", {"ipAllowList": {"sourceRange": list(settings.allow_from)}}
    for number, redirect in enumerate(settings.redirects, start=1):
        yield f"redirect{number}", {"redirectRegex": _redirect(redirect, platform)}
    if settings.basic_auth:
        yield "auth", {"basicAuth": _basic_auth(settings.basic_auth, htpasswd)}
    if settings.forward_auth:
        yield "auth", {"forwardAuth": _forward_auth(settings.forward_auth)}
    if settings.max_body_size:  # after authentication, because Traefik stores the bodies of requests
        yield "body", {"buffering": {"maxRequestBodyBytes": mebibytes(settings.max_body_size) * 1024 * 1024}}
    if settings.request_headers:  # after authentication, which reads the client's headers
        yield "request", {"headers": {"customRequestHeaders": dict(settings.request_headers)}}
    if settings.strip_prefix:
        prefixes = sorted((path for path in app.paths if path != "/"), key=len, reverse=True)
        yield "strip", {"stripPrefix": {"prefixes": prefixes}}  # Traefik removes the first prefix that matches


def _redirect(redirect: AppRedirectSettings, platform: AppPlatformOutputs) -> Json:
    if redirect.host is None or "." in redirect.host:
        return redirect_regex(redirect, redirect.host)
    name = pulumi.Output.from_input(hosts.full_name(redirect.host, platform))
    return name.apply(partial(redirect_regex, redirect))


def _basic_auth(settings: AppBasicAuthSettings, htpasswd: pulumi.Input[str] | None) -> Json:
    header = {"headerField": settings.header_field} if settings.header_field else {}
    return {"secret": htpasswd, "removeHeader": True, **header}  # the app does not get the password


def _forward_auth(settings: AppForwardAuthSettings) -> Json:
    headers = list(settings.auth_response_headers)
    return {"address": settings.address, **({"authResponseHeaders": headers} if headers else {})}


def _custom_resource(app: AppSettings, kind: str, suffix: str, spec: Json) -> Manifest:
    meta = metadata(app, f"{app.name}-{suffix}")
    return {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}


def _reference(app: AppSettings, name: str) -> str:
    return f"{app.name}-{name}@kubernetescrd"
