"""Types that validate values in the HTTP settings of apps: host names, headers, redirects and authentication."""

import re
from ipaddress import ip_address
from typing import Annotated

from components.settings.addresses import http_url
from components.settings.errors import setting_error
from components.settings.fields import DOMAIN, TextType
from components.settings.kubernetes_fields import matching

ANY_HOST = "*"
"""Host of an app that gets the requests for all hosts without an app."""
_NO_RE2 = re.compile(r"\(\?(?!:|i:)|\\[1-9ZuUN]|(?<!\\)[*+?}]\+|(?<!\\)\{([0-9]*,)?[0-9]{4,}|(?<!\\)\{,")
"""Syntax of Python's regular expressions that RE2 lacks: lookarounds, flags, backreferences, possessive quantifiers,
Unicode escapes, counts above 1000 and counts without a minimum."""
_LONGEST_HEADER = 8000
"""Largest length of a header's value: web servers accept about 8 KiB, and a Content-Security-Policy can be long."""
_VISIBLE = re.compile("[!-~]*")


def _require_visible(value: str) -> None:
    if not _VISIBLE.fullmatch(value):
        raise setting_error("must not contain spaces or non-ASCII characters", "encode them, such as %20 for a space")


def _host(value: str) -> str:
    try:
        ip_address(value)
    except ValueError:
        return DOMAIN.check(value)
    raise setting_error(
        "must be a name, not an IP address", "write a host name, or set ports and loadBalancer to use an IP address"
    )


def _ingress_host(value: str) -> str:
    if value == ANY_HOST or not value.startswith("*."):
        return value if value == ANY_HOST else _host(value)
    if "." not in DOMAIN.check(value.removeprefix("*.")):
        raise setting_error("is not a whole domain", "write the whole domain, such as *.shop.example.com")
    return value


def _header_value(value: str) -> str:
    if not value.isascii():
        raise setting_error("must contain only ASCII characters", "remove or encode the other characters")
    return value


def _redirect_path(value: str) -> str:
    if not value.startswith("/") or not _VISIBLE.fullmatch(value):
        raise setting_error("is not a regular expression for a URL path", "start it with /, such as /old/(.*)")
    if _NO_RE2.search(value):
        raise setting_error("uses syntax that RE2 does not support", "use groups, classes and repetitions only")
    try:
        re.compile(value)
    except (re.error, RecursionError):
        raise setting_error("is not a regular expression", "write it as /old/(.*)") from None
    return value


def _redirect_target(value: str) -> str:
    if origin := re.match(r"https?://[^/?#]*", value):
        http_url(origin[0])
    elif not value.startswith("/") or value.startswith("//"):
        raise setting_error("is neither a URL nor a URL path", "write it as https://example.com or /new/$1")
    _require_visible(value)
    if re.search(r"\$(?![0-9]{1,3}(?![0-9])|\{[0-9]{1,3}\})", value):
        raise setting_error("has a $ without the number of a group", "write $1 for the first group of path")
    return value


def _auth_address(value: str) -> str:
    url, mark, query = value.partition("?")
    _require_visible(query)
    return f"{http_url(url)}{mark}{query}"


HostName = Annotated[str, TextType(DOMAIN.name, _host, DOMAIN.pattern)]
IngressHost = Annotated[
    str, TextType("domain name, `*.DOMAIN` or `*`", _ingress_host, rf"(\*|(\*\.)?{DOMAIN.pattern})")
]
HeaderName = Annotated[
    str,
    matching("header name", "[A-Za-z0-9][A-Za-z0-9_-]*", "use letters, digits and dashes, such as X-Frame-Options"),
]
HeaderValue = Annotated[str, TextType("text", _header_value, max_length=_LONGEST_HEADER)]
RedirectPath = Annotated[str, TextType("regular expression for a URL path", _redirect_path)]
RedirectTarget = Annotated[str, TextType("URL or URL path", _redirect_target)]
AuthAddress = Annotated[str, TextType("http(s) URL", _auth_address)]
AuthUser = Annotated[
    str,
    matching("user name", "[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", "use at most 64 letters, digits and . _ @ + -"),
]
MiddlewareName = Annotated[
    str,
    matching(
        "Middleware name",
        "[A-Za-z0-9][A-Za-z0-9._-]*@[a-z]+",
        "write it as NAMESPACE-NAME@kubernetescrd",
    ),
]
