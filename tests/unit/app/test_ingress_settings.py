"""The settings of an app's Ingress: every message of what is wrong."""

from typing import Any

import pytest

from stacks.settings import AppStack, SettingsError

APP = {"platform": "lab", "image": "shop:1", "hosts": ["shop", "www.a.org", "*.b.org"]}
SECRETS = {"word"}


def report(secrets: set[str] | None = None, **app: Any) -> list[str]:
    """The report on an app with hosts, empty if it is accepted."""
    settings = {key: value for key, value in (APP | app).items() if value is not None}
    try:
        AppStack.parse({"app": settings}, SECRETS if secrets is None else secrets, "shop")
    except SettingsError as error:
        return [line for line in str(error).splitlines() if not line.startswith("homelab:word: is a secret that no")]
    return []


PATH = "start it with /, such as /old/(.*)"
RE2 = "uses syntax that RE2 does not support; use groups, classes and repetitions only"
LOOP = "so the redirect would loop"
GROUP = "add a group such as (.*) to path, or use the number of a group"
CREDENTIALS = "would store credentials in clear text; remove it, and pass the credentials in secrets"


@pytest.mark.parametrize(
    ("ingress", "line"),
    [
        ({"allowFrom": []}, "allowFrom: lists no CIDR; add one, such as 192.168.1.0/24, or remove allowFrom"),
        ({"allowFrom": ["10.0.0.1"]},
         "allowFrom[0]: has no prefix length; write it as 10.42.0.0/16 or fd42::/56"),
        ({"allowFrom": ["10.0.0.1/8"]}, "allowFrom[0]: has host bits set; write 10.0.0.0/8"),
        ({"allowFrom": ["lan"]}, "allowFrom[0]: is not a CIDR; write it as 10.42.0.0/16 or fd42::/56"),
        ({"basicAuth": {}}, "basicAuth: needs exactly one of users and htpasswd; add one, or keep one of them"),
        ({"basicAuth": {"users": {"a:b": {"secret": "word"}}}},
         'basicAuth.users["a:b"]: is not a user name; use at most 64 letters, digits and . _ @ + -'),
        ({"basicAuth": {"users": {"me": "hunter2"}}},
         "basicAuth.users.me: must name a secret, not contain it; write {secret: NAME}"),
        ({"basicAuth": {"htpasswd": {"secret": "other"}}},
         "basicAuth.htpasswd.secret: names a secret that the stack does not have"),
        ({"basicAuth": {"users": {"me": {"secret": "word"}}}, "forwardAuth": {"address": "http://a"}},
         "forwardAuth: must not be combined with basicAuth; keep one of them"),
        ({"forwardAuth": {"address": "authelia"}},
         "forwardAuth.address: is not an http or https URL; write it as https://mirror.lan/k3s"),
        ({"forwardAuth": {"address": "http://a", "authResponseHeaders": ["Remote User"]}},
         "forwardAuth.authResponseHeaders[0]: is not a header name; use letters, digits and dashes, such as"),
        ({"maxBodySize": "10MB"}, "maxBodySize: is not a size in Mi, Gi or Ti; write it as 512Mi or 10Gi"),
        ({"responseTimeout": 0}, "responseTimeout: is too small; use 1 or more"),
        ({"middlewares": ["auth"]},
         "middlewares[0]: is not a Middleware name; write it as NAMESPACE-NAME@kubernetescrd"),
        ({"middlewares": ["a@file,b@file"]}, "middlewares[0]: is not a Middleware name; write it as"),
        ({"pathType": "Regex"}, "pathType: is not one of the choices; use one of: Prefix, Exact"),
        ({"stripPrefix": True},
         "stripPrefix: has no effect: paths contains no prefix; add a path such as /api to paths, or remove strip"),
        ({"responseHeaders": {"X Y": "1"}},
         'responseHeaders["X Y"]: is not a header name; use letters, digits and dashes, such as X-Frame-Options'),
        ({"responseHeaders": {"X-A": "1\r\nSet-Cookie: a=b"}},
         "responseHeaders.X-A: must not contain line breaks or control characters; write it on one line"),
        ({"responseHeaders": {"X-A": "1\n"}}, "responseHeaders.X-A: must not contain line breaks or control char"),
        ({"responseHeaders": {"X-A": "ä"}},
         "responseHeaders.X-A: must contain only ASCII characters; remove or encode the other characters"),
        ({"requestHeaders": {"X-A": "1", "x-a": "2"}},
         "requestHeaders.x-a: is the same header as X-A; keep one of them"),
        ({"requestHeaders": {"Content-Length": "1"}},
         "requestHeaders.Content-Length: is a header that Traefik sets itself for each connection; remove it"),
        ({"requestHeaders": {"authorization": "Basic x"}}, f"requestHeaders.authorization: {CREDENTIALS}"),
        ({"redirects": [{"to": "https://a.org"}]}, "redirects[0]: would redirect every request; add host or path"),
        ({"redirects": [{"host": "c.org", "to": "https://a.org"}]},
         "redirects[0].host: is not in hosts; add the host to hosts, or use one of the app's hosts"),
        ({"redirects": [{"host": "www.a.org", "to": "a.org"}]},
         "redirects[0].to: is neither a URL nor a URL path; write it as https://example.com or /new/$1"),
        ({"redirects": [{"host": "www.a.org", "to": "//a.org"}]}, "redirects[0].to: is neither a URL nor a URL path;"),
        ({"redirects": [{"host": "www.a.org", "to": "/x"}]},
         "redirects[0].to: must be a URL, because the redirect applies to all paths; write it as https://example.com"),
        ({"redirects": [{"host": "www.a.org", "to": "https://www.a.org"}]},
         f"redirects[0].to: is the redirected host itself, {LOOP}; choose another host"),
        ({"redirects": [{"path": "/(.*)", "to": "/x/$1"}]},
         f"redirects[0].to: matches the redirect's path again, {LOOP}; choose a target that path does not match"),
        ({"redirects": [{"path": "/.*", "to": "/"}]},
         f"redirects[0].to: matches the redirect's path again, {LOOP}; choose a"),
        ({"redirects": [{"path": "old", "to": "/x"}]},
         f"redirects[0].path: is not a regular expression for a URL path; {PATH}"),
        ({"redirects": [{"path": "/(", "to": "/x"}]},
         "redirects[0].path: is not a regular expression; write it as /old/(.*)"),
        ({"redirects": [{"path": "/(?!x).*", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": r"/(a)\1", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": "/a++", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": "/a{1,2000}", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": "/a{99999999999999999999}", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": "/a{,3}", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": r"/\u0041", "to": "/x"}]}, f"redirects[0].path: {RE2}"),
        ({"redirects": [{"path": "/a", "to": f"/${'9' * 1900}"}]},
         "redirects[0].to: has a $ without the number of a group; write $1 for the first group of path"),
        ({"redirects": [{"path": "/a", "to": "/$1"}]},
         f"redirects[0].to: inserts $1, but path has no groups; {GROUP}"),
        ({"redirects": [{"path": "/(a)", "to": "/x${2}"}]},
         f"redirects[0].to: inserts ${{2}}, but path has 1 group; {GROUP}"),
        ({"redirects": [{"path": "/(a)", "to": "/x/$0"}]},
         f"redirects[0].to: inserts $0, but path has 1 group; {GROUP}"),
        ({"redirects": [{"path": "/(a)", "to": "/x/$name"}]},
         "redirects[0].to: has a $ without the number of a group; write $1 for the first group of path"),
        ({"redirects": [{"path": "/a", "to": "/x y"}]},
         "redirects[0].to: must not contain spaces or non-ASCII characters; encode them, such as %20 for a space"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(ingress: dict[str, Any], line: str) -> None:
    found = report(ingress=ingress)
    assert len(found) == 1, found
    assert found[0].startswith(f"homelab:app.ingress.{line}"), found


@pytest.mark.parametrize(
    "ingress",
    [
        {"redirects": [{"host": "www.b.org", "to": "https://b.org"}, {"path": "/(.*)", "to": "https://c.org/$1"}]},
        {"redirects": [{"path": r"/\*+(a|b){2}(?i:c)(?:d)", "to": "/$1"}]},
        {"responseHeaders": {"Server": "", "Content-Security-Policy": "default-src 'self'; img-src *"}},
        {"requestHeaders": {"Authorization": ""}},
        {"basicAuth": {"htpasswd": {"secret": "word"}}},
        {"allowFrom": ["0.0.0.0/0", "::/0"]},
    ],
)
def test_what_is_right_is_accepted(ingress: dict[str, Any]) -> None:
    assert report(ingress=ingress) == []


@pytest.mark.parametrize(
    ("app", "lines"),
    [
        ({"hosts": None, "ingress": {"maxBodySize": "1Mi"}},
         ["ingress: has no effect without hosts; add hosts, or remove ingress"]),
        ({"hosts": ["*.shop"]},
         ["hosts[0]: is not a whole domain; write the whole domain, such as *.shop.example.com"]),
        ({"hosts": ["a.*.org"]},
         ["hosts[0]: is not a domain name; use lower-case labels separated by dots, such as lab.example.com"]),
        ({"tls": {"issuers": {"c.org": "ca"}}},
         ['tls.issuers["c.org"]: is not in hosts; add it to hosts, or remove it']),
        ({"tls": {"issuers": {"*": "ca"}}},
         ['tls.issuers["*"]: has no effect: Traefik uses its default certificate for unknown hosts; remove it']),
        ({"tls": {"certificate": False, "issuers": {"shop": "ca"}}},
         ["tls.issuers: has no effect while certificate is false; remove one of them"]),
        ({"hosts": ["*"], "tls": {"issuer": "ca"}}, ["tls.issuer: has no effect: no host uses it; remove it"]),
        ({"hosts": ["shop"], "tls": {"issuer": "ca", "issuers": {"shop": "other"}}},
         ["tls.issuer: has no effect: no host uses it; remove it"]),
    ],
)  # fmt: skip
def test_hosts_and_certificates(app: dict[str, Any], lines: list[str]) -> None:
    assert report(**app) == [f"homelab:app.{line}" for line in lines]
