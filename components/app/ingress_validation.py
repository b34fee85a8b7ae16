"""Checks of an app's Ingress: hosts, certificates, redirects, headers and authentication."""

import re
from collections import Counter
from collections.abc import Callable
from urllib.parse import urlsplit

from components.app import hosts
from components.app.ingress_settings import AppRedirectSettings
from components.app.redirects import GROUP, target_path
from components.app.settings import AppSettings
from components.settings.checks import exactly_one
from components.settings.errors import Findings
from components.settings.http_fields import ANY_HOST

_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")
_CONNECTION = ("connection", "content-length", "transfer-encoding", "upgrade")
"""Headers of the connection, which the HTTP server sets itself."""


def _hosts(app: AppSettings) -> Findings:
    for host, count in Counter(app.hosts).items():
        if count > 1:
            yield ("hosts",), f"lists {host} {count} times", "keep one of them"
    for key in ("tls", "ingress"):
        if key in app.model_fields_set and not app.hosts:
            yield (key,), "has no effect without hosts", f"add hosts, or remove {key}"


def _issuer(app: AppSettings) -> Findings:
    for key, value in (("issuer", app.tls.issuer), ("issuers", app.tls.issuers)):
        if value and not app.tls.certificate:
            yield ("tls", key), "has no effect while certificate is false", "remove one of them"
    others = set(hosts.certificate_hosts(app)) - set(app.tls.issuers)
    if app.tls.issuer and app.tls.certificate and app.hosts and not others:
        yield ("tls", "issuer"), "has no effect: no host uses it", "remove it"


def _issuers(app: AppSettings) -> Findings:
    for host in app.tls.issuers:
        if host == ANY_HOST:
            reason = "has no effect: Traefik uses its default certificate for unknown hosts"
            yield ("tls", "issuers", host), reason, "remove it"
        elif host not in app.hosts:
            yield ("tls", "issuers", host), "is not in hosts", "add it to hosts, or remove it"


def _allow_from(app: AppSettings) -> Findings:
    if "allow_from" in app.ingress.model_fields_set and not app.ingress.allow_from:
        yield ("ingress", "allowFrom"), "lists no CIDR", "add one, such as 192.168.1.0/24, or remove allowFrom"


def _authentication(app: AppSettings) -> Findings:
    basic = app.ingress.basic_auth
    if basic and app.ingress.forward_auth:
        yield ("ingress", "forwardAuth"), "must not be combined with basicAuth", "keep one of them"
    if basic:
        yield from exactly_one(("ingress", "basicAuth"), basic, "users", "htpasswd")


def _headers(app: AppSettings) -> Findings:
    sections = (("requestHeaders", app.ingress.request_headers), ("responseHeaders", app.ingress.response_headers))
    for section, headers in sections:
        seen: dict[str, str] = {}
        for name in headers:
            path = ("ingress", section, name)
            if other := seen.get(name.lower()):
                yield path, f"is the same header as {other}", "keep one of them"
            if name.lower() in _CONNECTION:
                yield path, "is a header that Traefik sets itself for each connection", "remove it"
            seen[name.lower()] = name
    for name, value in app.ingress.request_headers.items():
        if name.lower() in _CREDENTIALS and value:
            reason = "would store credentials in clear text"
            yield ("ingress", "requestHeaders", name), reason, "remove it, and pass the credentials in secrets"


def _strip_prefix(app: AppSettings) -> Findings:
    if app.ingress.strip_prefix and set(app.paths) <= {"/"}:
        reason = "has no effect: paths contains no prefix"
        yield ("ingress", "stripPrefix"), reason, "add a path such as /api to paths, or remove stripPrefix"


def redirect_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the settings of the app's HTTP redirects."""
    for index, redirect in enumerate(app.ingress.redirects):
        for check in _REDIRECT_CHECKS:
            for loc, reason, fix in check(app, redirect):
                yield ("ingress", "redirects", index, *loc), reason, fix


def _redirect_host(app: AppSettings, redirect: AppRedirectSettings) -> Findings:
    if redirect.host is None and redirect.path is None:
        yield (), "would redirect every request", "add host or path"
    if redirect.host is not None and not hosts.includes(app, redirect.host):
        yield ("host",), "is not in hosts", "add the host to hosts, or use one of the app's hosts"


def _redirect_groups(_: AppSettings, redirect: AppRedirectSettings) -> Findings:
    count = re.compile(redirect.path).groups if redirect.path else 0
    for match in GROUP.finditer(redirect.to):
        if not 1 <= int(match[1] or match[2]) <= count:
            reason = f"inserts {match[0]}, but path has {count or 'no'} group{'s' if count != 1 else ''}"
            yield ("to",), reason, "add a group such as (.*) to path, or use the number of a group"


def _redirect_loop(_: AppSettings, redirect: AppRedirectSettings) -> Findings:
    if redirect.path is None and redirect.to.startswith("/"):
        yield ("to",), "must be a URL, because the redirect applies to all paths", "write it as https://example.com"
    name = urlsplit(redirect.to).hostname
    same_host = name is None or name == redirect.host
    if same_host and redirect.path is not None and re.fullmatch(redirect.path, target_path(redirect.to) or "/"):
        yield (
            ("to",),
            "matches the redirect's path again, so the redirect would loop",
            "choose a target that path does not match",
        )
    if redirect.path is None and name is not None and name == redirect.host:
        yield ("to",), "is the redirected host itself, so the redirect would loop", "choose another host"


_REDIRECT_CHECKS: tuple[Callable[[AppSettings, AppRedirectSettings], Findings], ...] = (
    _redirect_host,
    _redirect_groups,
    _redirect_loop,
)
INGRESS_CHECKS: tuple[Callable[[AppSettings], Findings], ...] = (
    _hosts,
    _issuer,
    _issuers,
    _allow_from,
    _authentication,
    _headers,
    _strip_prefix,
)
