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
    """Whether cert-manager issues a TLS certificate for the app's hosts. With `false`, Traefik serves the app's hosts
    with its default certificate."""
    issuer: DnsLabel | None = None
    """cert-manager ClusterIssuer that issues the certificate for the app's hosts. Default: the platform's default
    ClusterIssuer."""
    issuers: dict[IngressHost, DnsLabel] = Field(default_factory=dict)
    """ClusterIssuers for individual hosts, which override `issuer`: host → ClusterIssuer."""


class AppRedirectSettings(Model):
    """An HTTP redirect for requests that match `host` and `path`. If several redirects match a request, Traefik applies
    the first of these redirects."""

    host: HostName | None = None
    """Host of the requests that Traefik redirects, written as in the app's `hosts`. Default: all hosts."""
    path: RedirectPath | None = None
    """Regular expression (RE2) that must match the whole path of a request. `.*` also matches the query. Default: all
    paths."""
    to: RedirectTarget
    """URL or path to which Traefik redirects the client. `$1` inserts the first capture group of the regular expression
    in `path`. The redirect keeps the request's path if neither `path` is set nor the URL in `to` contains a path."""
    permanent: StrictBool = False
    """Whether the redirect is permanent (301 or 308), so that browsers cache the redirect. Default: a temporary
    redirect (302 or 307)."""


class AppBasicAuthSettings(Model):
    """HTTP basic authentication: exactly one of `users` and `htpasswd`."""

    users: dict[AuthUser, SecretRef] = Field(default_factory=dict)
    """Passwords by user name."""
    htpasswd: SecretRef | None = None
    """Pulumi secret that contains lines of the form USER:HASH, as `htpasswd -nB USER` prints them."""
    header_field: HeaderName | None = None
    """Name of the request header in which Traefik sends the authenticated user's name to the app. Default: none."""


class AppForwardAuthSettings(Model):
    """Authentication by an external service, such as Authelia or oauth2-proxy. Traefik sends the headers of each
    request to the authentication service. Traefik forwards the request to the app if the authentication service answers
    with a status from 200 to 299. Otherwise, Traefik sends the authentication service's response to the client."""

    address: AuthAddress
    """URL of the external service that authenticates requests to the app."""
    auth_response_headers: tuple[HeaderName, ...] = ()
    """Response headers of the authentication service that Traefik copies into the request to the app, such as
    Remote-User."""


class AppIngressSettings(Model):
    """Options of the app's Ingress, which homelab implements with Traefik Middlewares."""

    redirects: tuple[AppRedirectSettings, ...] = ()
    """HTTP redirects to other hosts or paths."""
    response_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """HTTP headers that Traefik sets in every response, such as Strict-Transport-Security. Traefik removes a header
    whose value is empty."""
    request_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """HTTP headers that Traefik sets in the requests to the app. Traefik removes a header whose value is empty."""
    allow_from: tuple[Cidr, ...] = ()
    """CIDRs of the clients whose requests Traefik forwards to the app. Other clients get status 403. Default: all
    clients."""
    basic_auth: AppBasicAuthSettings | None = None
    """HTTP basic authentication. Default: none."""
    forward_auth: AppForwardAuthSettings | None = None
    """Authentication of all requests by an external service (Traefik's ForwardAuth), such as Authelia. Default:
    none."""
    max_body_size: Size | None = None
    """Maximum size of a request body; Traefik answers larger requests with status 413. With `maxBodySize`, Traefik
    buffers all requests and responses, so the app cannot stream responses. Default: no limit."""
    response_timeout: Seconds | None = None
    """Seconds that Traefik waits for the app's response to begin, before Traefik answers with status 504. Default: no
    limit."""
    path_type: Literal["Prefix", "Exact"] = "Prefix"
    """pathType of the Ingress: whether the app's `paths` are path prefixes or exact paths."""
    strip_prefix: StrictBool = False
    """Whether Traefik removes the prefix in `paths` from the paths of forwarded requests."""
    middlewares: tuple[MiddlewareName, ...] = ()
    """Names of existing Traefik Middlewares, which Traefik applies before homelab's Middlewares."""
