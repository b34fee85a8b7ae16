"""Settings of an app's additional ports and its load balancer."""

from typing import Literal

from components.settings.fields import Address, Cidr, Port
from components.settings.model import Model


class AppPortSettings(Model):
    """An additional port of the app, with the same port number in the pods and in the app's Service."""

    port: Port
    """Port number."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Transport protocol."""


class AppLoadBalancerSettings(Model):
    """A Service of type LoadBalancer for all ports in the app's `ports`."""

    address: Address | None = None
    """IP address of the Service, from an address pool of the layer `metallb` or `cilium`. Default: the next free IP
    address of the pools."""
    from_: tuple[Cidr, ...] = ()
    """CIDRs whose clients may connect to the load balancer. Default: all IP addresses outside the cluster."""
