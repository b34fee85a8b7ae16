"""Settings of an app's Ingress: TLS certificates, redirects, headers, limits and authentication."""

from typing import Literal

from pydantic import Field

from components.settings.fields import Cidr, DnsLabel, StrictBool
from components.settings.http_fields import (
    AuthAddress,
    AuthUser,
    HeaderName,
    HeaderValue,
    HostName,
    IngressHost,
    MiddlewareName,
    RedirectPath,
    RedirectTarget,
)
from components.settings.kubernetes_fields import Seconds, Size
from components.settings.model import Model, SecretRef


class AppTlsSettings(Model):
    """TLS certificates of the app's hosts."""

    certificate: StrictBool = True
    """Whether cert-manager issues a certificate for the hosts. With `false`, the hosts use Traefik's default
    certificate."""
    issuer: DnsLabel | None = None
    """ClusterIssuer of the hosts' certificate. Default: the platform's default issuer."""
    issuers: dict[IngressHost, DnsLabel] = Field(default_factory=dict)
    """ClusterIssuers of single hosts, which override `issuer`: host → ClusterIssuer."""


class AppRedirectSettings(Model):
    """A redirect of requests that match `host` and `path`. The first matching redirect applies."""

    host: HostName | None = None
    """Host of the requests, written as in `hosts`. Default: all hosts."""
    path: RedirectPath | None = None
    """Regular expression (RE2) that must match the whole path. `.*` also matches the query. Default: all paths."""
    to: RedirectTarget
    """URL or path of the new location. `$1` inserts the first group of `path`. A redirect without `path` to a URL
    without path keeps the request's path."""
    permanent: StrictBool = False
    """Whether the redirect is permanent (301 or 308), so that browsers store it. Default: temporary (302 or 307)."""


class AppBasicAuthSettings(Model):
    """HTTP basic authentication: exactly one of `users` and `htpasswd`."""

    users: dict[AuthUser, SecretRef] = Field(default_factory=dict)
    """Passwords by user name."""
    htpasswd: SecretRef | None = None
    """Secret with lines of the form USER:HASH, as `htpasswd -nB USER` prints them."""
    header_field: HeaderName | None = None
    """Request header in which the app gets the user's name. Default: none."""


class AppForwardAuthSettings(Model):
    """Authentication by an external service, such as Authelia or oauth2-proxy. Traefik sends the headers of each
    request to the service. A status from 200 to 299 accepts the request. The client gets any other response."""

    address: AuthAddress
    """URL of the service that authenticates requests."""
    auth_response_headers: tuple[HeaderName, ...] = ()
    """Headers of the service's response that the app gets as request headers, such as Remote-User."""


class AppIngressSettings(Model):
    """Options of the app's Ingress, which Traefik's Middlewares implement."""

    redirects: tuple[AppRedirectSettings, ...] = ()
    """Redirects to other hosts or paths."""
    response_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers to set in every response, such as Strict-Transport-Security. An empty value removes the header."""
    request_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers to set in the requests to the app. An empty value removes the header."""
    allow_from: tuple[Cidr, ...] = ()
    """CIDRs of the clients that may use the app. Other clients get status 403. Default: all clients."""
    basic_auth: AppBasicAuthSettings | None = None
    """HTTP basic authentication. Default: none."""
    forward_auth: AppForwardAuthSettings | None = None
    """Authentication by an external service. Default: none."""
    max_body_size: Size | None = None
    """Maximum size of a request body; larger requests get status 413. Traefik then buffers all requests and responses,
    so responses do not stream. Default: no limit."""
    response_timeout: Seconds | None = None
    """Seconds after which Traefik answers with status 504 if the app has not begun to respond. Default: no limit."""
    path_type: Literal["Prefix", "Exact"] = "Prefix"
    """Whether `paths` are path prefixes or exact paths."""
    strip_prefix: StrictBool = False
    """Whether Traefik removes the prefix in `paths` from the paths of forwarded requests."""
    middlewares: tuple[MiddlewareName, ...] = ()
    """Names of existing Middlewares of Traefik, through which requests pass first."""
