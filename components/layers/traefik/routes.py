"""Traefik's own routes: the dashboard, and a default route for requests that match no other route."""

from urllib.parse import urlsplit

from components.kubernetes.manifest import Json, Manifest
from components.settings.fields import Domain, User
from components.settings.model import Model, SecretRef

_DASHBOARD, _DEFAULT = "dashboard", "default-route"


class DashboardSettings(Model):
    """Settings of Traefik's dashboard, which a password protects."""

    host: Domain | None = None
    """Host name of the dashboard. Default: `traefik.DOMAIN`."""
    user: User = "admin"
    """User name for the dashboard."""
    password: SecretRef
    """Pulumi secret that contains the password for Traefik's dashboard."""


def custom_resource(kind: str, metadata: Json, spec: Json) -> Manifest:
    """Build a custom resource of Traefik."""
    return {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def basic_auth_secret(settings: DashboardSettings, namespace: str) -> Manifest:
    """Build the Kubernetes Secret with the user name and password for Traefik's dashboard."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _DASHBOARD, "namespace": namespace},
        # the Secret contains the plain password, because Traefik would compute a bcrypt hash for each request
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": settings.user, "password": settings.password},
    }


def dashboard_route(settings: DashboardSettings, domain: str, namespace: str) -> list[Manifest]:
    """Build the route of Traefik's dashboard, which requires a user name and password (basic authentication)."""
    host = settings.host or f"traefik.{domain}"
    authentication = {"basicAuth": {"secret": _DASHBOARD, "removeHeader": True}}
    return _route(_DASHBOARD, namespace, authentication, {"match": f"Host(`{host}`)"}, "api@internal")


def default_route(url: str, namespace: str) -> list[Manifest]:
    """Build the default route, which redirects requests to `url` if they match no other route."""
    redirect = {"redirectRegex": {"regex": "^.*$", "replacement": url, "permanent": False}}
    # the route excludes the host of the URL itself, because a redirect to the same host would never end
    match = f"PathPrefix(`/`) && !Host(`{urlsplit(url).hostname}`)"
    return _route(_DEFAULT, namespace, redirect, {"match": match, "priority": 1}, "noop@internal")


def _route(name: str, namespace: str, middleware: Json, rule: dict[str, Json], service: str) -> list[Manifest]:
    metadata = {"name": name, "namespace": namespace}
    services = [{"kind": "TraefikService", "name": service}]
    route = {"kind": "Rule", **rule, "middlewares": [{"name": name}], "services": services}
    spec = {"entryPoints": ["websecure"], "routes": [route], "tls": {}}
    return [custom_resource("Middleware", metadata, middleware), custom_resource("IngressRoute", metadata, spec)]
