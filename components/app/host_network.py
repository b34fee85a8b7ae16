"""Apps with hostNetwork: the fields of their pod specs, and the ports that the nodes' own processes use."""

from collections.abc import Iterator

from components.app.settings import AppSettings
from components.cluster.settings import API_PORT, BALANCER_PORT
from components.kubernetes.manifest import Json

_UNPRIVILEGED_PORT = 1024
"""First port that a process may open without the capability NET_BIND_SERVICE."""
_NODE_PORTS: tuple[tuple[range, str, str], ...] = (
    (range(22, 23), "TCP", "SSH"),
    (range(2379, 2383), "TCP", "etcd"),
    (range(5001, 5002), "TCP", "K3s' embedded registry"),
    (range(API_PORT, API_PORT + 2), "TCP", "the Kubernetes API"),
    (range(BALANCER_PORT, BALANCER_PORT + 1), "TCP", "the load balancer of the Kubernetes API"),
    (range(8472, 8473), "UDP", "the pod network"),
    (range(10010, 10011), "TCP", "containerd"),
    (range(10248, 10260), "TCP", "Kubernetes"),
    (range(51820, 51822), "UDP", "the pod network"),
)
"""Ports that the nodes' own processes use: port numbers, protocol, and what uses the ports."""
_NODE_PORT_SERVICES = range(30000, 32768)


def pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the pod spec fields for an app with hostNetwork. A pod with these fields still resolves DNS names of
    Services."""
    return {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"} if app.host_network else {}


def listened_ports(app: AppSettings) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Yield each port of the app as a tuple: path of the setting, port number and protocol."""
    yield ("port",), app.port, "TCP"
    for name, port in app.ports.items():
        yield ("ports", name, "port"), port.port, port.protocol
    others = {app.port, *(port.port for port in app.ports.values())}
    if app.metrics and app.metrics.port and app.metrics.port not in others:
        yield ("metrics", "port"), app.metrics.port, "TCP"


def port_user(number: int, protocol: str) -> str | None:
    """Return what uses a port on the nodes, such as etcd, or None if homelab knows of no use."""
    if number in _NODE_PORT_SERVICES:
        return "Services of type NodePort and LoadBalancer"
    return next((user for ports, kind, user in _NODE_PORTS if number in ports and kind == protocol), None)


def needs_capability(app: AppSettings, number: int) -> bool:
    """Whether the app lacks the capability NET_BIND_SERVICE, which it needs to open the port on the node."""
    capable = app.privileged or bool(app.devices) or bool({"NET_BIND_SERVICE", "ALL"} & set(app.capabilities))
    return number < _UNPRIVILEGED_PORT and not capable


def warnings(app: AppSettings) -> Iterator[str]:
    """Yield a warning that NetworkPolicies do not protect the app's pods if the app uses `hostNetwork`."""
    if app.host_network:
        ports = ", ".join(dict.fromkeys(f"{protocol} {number}" for _, number, protocol in listened_ports(app)))
        yield (
            "hostNetwork: NetworkPolicies do not apply to the app's pods: each host that reaches the app's "
            f"node can connect to {ports}, and the app can connect to every address that the node reaches"
        )
