"""Apps with hostNetwork: the fields of their pod specs, and the ports that the nodes' own processes use."""

from collections.abc import Iterator

from components.app.monitoring import additional_port
from components.app.settings import AppSettings
from components.cluster.k3s import ports
from components.cluster.settings import BALANCER_PORT
from components.kubernetes.manifest import Json

_UNPRIVILEGED_PORT = 1024
"""First port that a process may open without the capability NET_BIND_SERVICE."""
_SSH_PORT = 22


def pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the pod spec fields for an app with hostNetwork. A pod with these fields still resolves DNS names of
    Services."""
    if not app.host_network:
        return {}
    return {"hostNetwork": True, **({"dnsPolicy": "ClusterFirstWithHostNet"} if app.dns_policy != "None" else {})}


def listened_ports(app: AppSettings) -> Iterator[tuple[tuple[str, ...], int, str]]:
    """Yield each port of the app as a tuple: path of the setting, port number and protocol."""
    yield ("port",), app.port, "TCP"
    for name, port in app.ports.items():
        yield ("ports", name, "targetPort" if port.target_port else "port"), port.in_pods, port.protocol
    if (number := additional_port(app)) is not None:
        yield ("metrics", "port"), number, "TCP"


def port_user(number: int, protocol: str) -> str | None:
    """Return what uses a port on the nodes, such as etcd, or None if homelab knows of no use."""
    others = {_SSH_PORT: "SSH", BALANCER_PORT: "the load balancer of the Kubernetes API"} if protocol == "TCP" else {}
    return others.get(number) or ports.user(number, protocol)


def needs_capability(app: AppSettings, number: int) -> bool:
    """Whether the app lacks the capability NET_BIND_SERVICE, which it needs to open the port on the node."""
    capable = app.privileged or bool(app.devices) or bool({"NET_BIND_SERVICE", "ALL"} & set(app.capabilities))
    return number < _UNPRIVILEGED_PORT and not capable


def warnings(app: AppSettings) -> Iterator[str]:
    """Yield a warning that NetworkPolicies do not protect the app's pods if the app uses `hostNetwork`."""
    if app.host_network:
        listed = ", ".join(dict.fromkeys(f"{protocol} {number}" for _, number, protocol in listened_ports(app)))
        yield (
            "hostNetwork: NetworkPolicies do not apply to the app's pods: each host that reaches the app's "
            f"node can connect to {listed}, and the app can connect to every address that the node reaches"
        )
