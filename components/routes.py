"""Routes of Traefik's own: its dashboard, and where names lead that nothing serves."""

from urllib.parse import urlsplit

from components.fields import Domain, User
from components.manifest import Manifest, Tree
from components.model import Model, SecretRef

_DASHBOARD, _DEFAULT = "dashboard", "default-route"


class DashboardSettings(Model):
    """Traefik's dashboard, behind a password."""

    host: Domain | None = None
    """Its host name. Default: `traefik.DOMAIN`."""
    user: User = "admin"
    """Who may see it."""
    password: SecretRef
    """Secret that holds the password."""


def custom(kind: str, metadata: Tree, spec: Tree) -> Manifest:
    """Return an object of Traefik's."""
    return {"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def users(settings: DashboardSettings, namespace: str) -> Manifest:
    """Return the secret that says who may see the dashboard."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _DASHBOARD, "namespace": namespace},
        # a bcrypt hash would be worked out anew for each of the dashboard's many requests
        "type": "kubernetes.io/basic-auth",
        "stringData": {"username": settings.user, "password": settings.password},
    }


def dashboard(settings: DashboardSettings, domain: str, namespace: str) -> list[Manifest]:
    """Return the dashboard's route, behind its password."""
    host = settings.host or f"traefik.{domain}"
    guard = {"basicAuth": {"secret": _DASHBOARD, "removeHeader": True}}
    return _through(_DASHBOARD, namespace, guard, {"match": f"Host(`{host}`)"}, "api@internal")


def elsewhere(url: str, namespace: str) -> list[Manifest]:
    """Return the route that sends what no other route takes to a URL."""
    redirect = {"redirectRegex": {"regex": "^.*$", "replacement": url, "permanent": False}}
    # a request for the URL itself, sent to it once more, would go round in circles
    match = f"PathPrefix(`/`) && !Host(`{urlsplit(url).hostname}`)"
    return _through(_DEFAULT, namespace, redirect, {"match": match, "priority": 1}, "noop@internal")


def _through(name: str, namespace: str, middleware: Tree, rule: dict[str, Tree], service: str) -> list[Manifest]:
    metadata = {"name": name, "namespace": namespace}
    services = [{"kind": "TraefikService", "name": service}]
    route = {"kind": "Rule", **rule, "middlewares": [{"name": name}], "services": services}
    spec = {"entryPoints": ["websecure"], "routes": [route], "tls": {}}
    return [custom("Middleware", metadata, middleware), custom("IngressRoute", metadata, spec)]
