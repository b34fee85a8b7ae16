"""Services and Ingress of an app."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

import pulumi

from components.app.objects import SKIP_AWAIT, labels, metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.app.variable_references import HOST_VARIABLE
from components.kubernetes.manifest import Json, Manifest

PORT = 80
"""HTTP port of the Service."""
_ADDRESS_ANNOTATIONS = ("metallb.io/loadBalancerIPs", "lbipam.cilium.io/ips")
"""Annotations with which a Service requests an address from MetalLB or Cilium."""


def service(app: AppSettings) -> Manifest:
    """Return the app's Service of type ClusterIP."""
    extra_ports = [port for port in _ports(app) if (port["port"], port["protocol"]) != (PORT, "TCP")]
    ports = [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}, *extra_ports]
    spec = {"selector": labels(app), "ports": ports}
    meta = metadata(app, app.name, annotations=SKIP_AWAIT)  # Pulumi waits for the app's pods instead
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def load_balancer(app: AppSettings) -> Iterator[Manifest]:
    """Yield the app's Service of type LoadBalancer if `loadBalancer` is set."""
    settings = app.load_balancer
    if settings is None:
        return
    ipv6 = settings.address is not None and ip_address(settings.address).version == 6
    spec: dict[str, Json] = {
        "type": "LoadBalancer",
        "externalTrafficPolicy": "Local",  # with Cluster, NetworkPolicies would see a node's IP, not the client's
        "selector": labels(app),
        "ports": _ports(app),
        # without ipFamilies, a Service in a dual-stack cluster would get an IPv4 address
        **({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]} if ipv6 else {}),
    }
    annotations = dict.fromkeys(_ADDRESS_ANNOTATIONS, settings.address) if settings.address else {}
    meta = metadata(app, f"{app.name}-lb", annotations=annotations)
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _ports(app: AppSettings) -> list[Json]:
    return [
        {"name": name, "port": port.port, "targetPort": port.port, "protocol": port.protocol}
        for name, port in app.ports.items()
    ]


def host_names(app: AppSettings, platform: AppPlatformOutputs) -> list[pulumi.Input[str]]:
    """Return the fully qualified host names of the app."""
    return [host if "." in host else pulumi.Output.format("{}.{}", host, platform.domain) for host in app.hosts]


def environment(app: AppSettings, platform: AppPlatformOutputs, variables: Mapping[str, str]) -> Iterator[Json]:
    """Yield the variable with the app's first host if one of `variables` references it."""
    if app.hosts and any(f"$({HOST_VARIABLE})" in text for text in variables.values()):
        yield {"name": HOST_VARIABLE, "value": host_names(app, platform)[0]}


def ingress(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Manifest]:
    """Yield the app's Ingress if `hosts` is set."""
    if not app.hosts:
        return
    names = host_names(app, platform)
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in app.paths]
    spec: dict[str, Json] = {
        "ingressClassName": platform.ingress_class,
        "rules": [{"host": name, "http": {"paths": paths}} for name in names],
    }
    annotations: dict[str, Json] = {}
    if app.tls.certificate:
        annotations["cert-manager.io/cluster-issuer"] = app.tls.issuer or platform.issuer
        spec["tls"] = [{"hosts": names, "secretName": f"{app.name}-tls"}]
    meta = metadata(app, app.name, annotations=annotations)
    yield {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}
