"""Settings of an app's additional ports and its load balancer."""

from typing import Literal

from components.settings.fields import Address, Cidr, Port
from components.settings.model import Model


class AppPortSettings(Model):
    """An additional port of the app, with the same number in the app's Service."""

    port: Port
    """Port number."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Transport protocol."""


class AppLoadBalancerSettings(Model):
    """A Service of type LoadBalancer for all of the app's `ports`."""

    address: Address | None = None
    """IP address of the Service, from an address pool of metallb or cilium. Default: the next free address of the
    pools."""
    from_: tuple[Cidr, ...] = ()
    """CIDRs that may connect to the load balancer. Default: all addresses outside the cluster."""
