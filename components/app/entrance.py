"""How an app is reached: its Service, and its Ingress with a certificate."""

from collections.abc import Iterator
from ipaddress import ip_address

import pulumi

from components.app.objects import UNAWAITED, labels, metadata
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree

PORT = 80
"""Port of the Service, for HTTP."""
_ASK = ("metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips")
"""Annotations by which a Service asks MetalLB or Cilium for an address."""


def service(app: AppSettings) -> Manifest:
    """The Service in front of the pods."""
    further = [each for each in _ports(app) if (each["port"], each["protocol"]) != (PORT, "TCP")]
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}, *further]
    spec = {"selector": labels(app), "ports": ports}
    meta = metadata(app, app.name, annotations=UNAWAITED)  # its pods are awaited, and that is what it waits for
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def load_balancer(app: AppSettings) -> Iterator[Manifest]:
    """Yield the Service with an address outside of the cluster, if the app has one."""
    given = app.load_balancer
    if given is None:
        return
    six = given.address is not None and ip_address(given.address).version == 6
    spec: dict[str, Tree] = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",  # or NetworkPolicies saw the address of a machine instead of the client's
        "selector": labels(app),
        "ports": _ports(app),
        **({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]} if six else {}),  # or IPv4 where it has both
    }
    asked = dict.fromkeys(_ASK, given.address) if given.address else {}
    meta = metadata(app, f"{app.name}-lb", annotations=asked)
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _ports(app: AppSettings) -> list[Tree]:
    return [
        {"name": name, "port": each.port, "targetPort": each.port, "protocol": each.protocol}
        for name, each in app.ports.items()
    ]


def hosts(app: AppSettings, platform: Surroundings) -> list[pulumi.Input[str]]:
    """Return the full names of the app's hosts."""
    return [host if "." in host else pulumi.Output.format("{}.{}", host, platform.domain) for host in app.hosts]


def ingress(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield the Ingress, if the app has hosts."""
    if not app.hosts:
        return
    names = hosts(app, platform)
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in app.paths]
    spec: dict[str, Tree] = {
        "ingressClassName": platform.ingress_class,
        "rules": [{"host": name, "http": {"paths": paths}} for name in names],
    }
    annotations: dict[str, Tree] = {}
    if app.tls.certificate:
        annotations["cert-manager.io/cluster-issuer"] = app.tls.issuer or platform.issuer
        spec["tls"] = [{"hosts": names, "secretName": f"{app.name}-tls"}]
    meta = metadata(app, app.name, annotations=annotations)
    yield {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}
