"""Services and Ingresses of an app."""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address

import pulumi

from components.app import hosts, middlewares
from components.app.hosts import HostGroup
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
    annotations = {**SKIP_AWAIT, **middlewares.transport_annotations(app)}  # Pulumi waits for the app's pods instead
    meta = metadata(app, app.name, annotations=annotations)
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
        **({"loadBalancerSourceRanges": list(settings.from_)} if settings.from_ else {}),
        # in a dual-stack cluster, a Service without `ipFamilies` would get only an IPv4 address
        **({"ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv6"]} if ipv6 else {}),
    }
    annotations = dict.fromkeys(_ADDRESS_ANNOTATIONS, settings.address) if settings.address else {}
    meta = metadata(app, f"{app.name}-lb", annotations=annotations)
    yield {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _ports(app: AppSettings) -> list[Json]:
    return [
        {"name": name, "port": port.port, "targetPort": port.in_pods, "protocol": port.protocol}
        for name, port in app.ports.items()
    ]


def host_names(app: AppSettings, platform: AppPlatformOutputs) -> list[pulumi.Input[str]]:
    """Return the fully qualified host names of the app, without wildcards."""
    return [hosts.full_name(host, platform) for host in app.hosts if not hosts.is_wildcard(host)]


def environment(app: AppSettings, platform: AppPlatformOutputs, variables: Mapping[str, str]) -> Iterator[Json]:
    """Yield the environment variable HOMELAB_HOST if the value of one of `variables` references HOMELAB_HOST."""
    names = host_names(app, platform)
    if names and any(f"$({HOST_VARIABLE})" in text for text in variables.values()):
        yield {"name": HOST_VARIABLE, "value": names[0]}


def ingresses(app: AppSettings, platform: AppPlatformOutputs, references: Sequence[str]) -> Iterator[Manifest]:
    """Yield an Ingress for each group of the app's hosts (hosts with the same ClusterIssuer and priority). The
    parameter `references` lists the names by which an Ingress references Traefik Middlewares."""
    for group in hosts.groups(app):
        yield _ingress(app, platform, group, references)


def _ingress(app: AppSettings, platform: AppPlatformOutputs, group: HostGroup, references: Sequence[str]) -> Manifest:
    names = [hosts.full_name(host, platform) for host in group.hosts] if group.has_certificate else []
    backend = {"service": {"name": app.name, "port": {"name": "http"}}}
    http = {"paths": [{"path": path, "pathType": app.ingress.path_type, "backend": backend} for path in app.paths]}
    spec: dict[str, Json] = {
        "ingressClassName": platform.ingress_class,
        "rules": [{"host": name, "http": http} for name in names] or [{"http": http}],
    }
    annotations: dict[str, Json] = {}
    if app.tls.certificate and names:
        annotations["cert-manager.io/cluster-issuer"] = group.issuer or app.tls.issuer or platform.issuer
        spec["tls"] = [{"hosts": names, "secretName": f"{group.ingress}-tls"}]
    if references:
        annotations["traefik.ingress.kubernetes.io/router.middlewares"] = ",".join(references)
    if group.priority:
        annotations["traefik.ingress.kubernetes.io/router.priority"] = str(group.priority)
    meta = metadata(app, group.ingress, annotations=annotations)
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}
