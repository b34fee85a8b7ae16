"""Settings of an app's additional ports and its load balancer."""

from typing import Literal

from components.settings.fields import Address, Cidr, Port
from components.settings.model import Model


class AppPortSettings(Model):
    """An additional port of the app's Service."""

    port: Port
    """Port number of the Service."""
    target_port: Port | None = None
    """Port number in the app's pods (targetPort). Default: the value of `port`."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Transport protocol."""

    @property
    def in_pods(self) -> int:
        """Port number in the app's pods."""
        return self.target_port or self.port


class AppLoadBalancerSettings(Model):
    """A Service of type LoadBalancer for all ports in the app's `ports`."""

    address: Address | None = None
    """IP address of the Service, from an address pool of the layer `metallb` or `cilium`. Default: the next free IP
    address of the pools; with `k3s.servicelb`, the addresses of all nodes that run a pod of the app."""
    from_: tuple[Cidr, ...] = ()
    """CIDRs of the clients that may connect to the load balancer. Default: all IP addresses outside the cluster."""
