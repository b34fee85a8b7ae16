"""Ports that K3s uses on the nodes. No other program can listen on these ports."""

from components.cluster.settings import API_PORT

_SERVICES = "Services of type NodePort and LoadBalancer"
PORTS: tuple[tuple[range, str, str], ...] = (
    (range(2379, 2383), "TCP", "etcd"),
    (range(5001, 5002), "TCP", "K3s' embedded registry"),
    (range(API_PORT, API_PORT + 2), "TCP", "the Kubernetes API"),
    (range(8472, 8473), "UDP", "the pod network"),
    (range(10010, 10011), "TCP", "containerd"),
    (range(10248, 10260), "TCP", "Kubernetes"),
    *((range(30000, 32768), protocol, _SERVICES) for protocol in ("TCP", "UDP")),
    (range(51820, 51822), "UDP", "the pod network"),
)
"""Port numbers, protocol, and what uses the ports."""


def is_for_services(user: str) -> bool:
    """Whether `user`, a result of the function `user()`, stands for Services of type NodePort and LoadBalancer."""
    return user == _SERVICES


def user(number: int, protocol: str) -> str | None:
    """Return what uses a port on the nodes, such as etcd, or None if K3s does not use the port."""
    return next((name for ports, kind, name in PORTS if number in ports and kind == protocol), None)
