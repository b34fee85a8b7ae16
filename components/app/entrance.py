"""How an app is reached: its Service, and its Ingress with a certificate."""

from collections.abc import Iterator

import pulumi

from components.app.objects import UNAWAITED, labels, metadata
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree

PORT = 80
"""Port of the Service."""


def service(app: AppSettings) -> Manifest:
    """The Service in front of the pods."""
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}]
    spec = {"selector": labels(app), "ports": ports}
    meta = metadata(app, app.name, annotations=UNAWAITED)  # its pods are awaited, and that is what it waits for
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def hosts(app: AppSettings, platform: Surroundings) -> list[pulumi.Input[str]]:
    """Return the full names of the app's hosts."""
    return [host if "." in host else pulumi.Output.format("{}.{}", host, platform.domain) for host in app.hosts]


def ingress(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield the Ingress, if the app has hosts."""
    if not app.hosts:
        return
    names = hosts(app, platform)
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: dict[str, Tree] = {
        "ingressClassName": platform.ingress_class,
        "rules": [{"host": name, "http": {"paths": [path]}} for name in names],
    }
    annotations: dict[str, Tree] = {}
    if app.tls.certificate:
        annotations["cert-manager.io/cluster-issuer"] = app.tls.issuer or platform.issuer
        spec["tls"] = [{"hosts": names, "secretName": f"{app.name}-tls"}]
    meta = metadata(app, app.name, annotations=annotations)
    yield {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}
