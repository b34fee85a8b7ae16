"""Ports of an app beside the one for HTTP, as its owner describes them."""

from typing import Literal

from components.fields import Address, Network, Port
from components.model import Model


class AppPortSettings(Model):
    """A port of the app beside the one for HTTP. Its Service has the same port number."""

    port: Port
    """Its number."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Its protocol."""


class AppLoadBalancerSettings(Model):
    """A Service of type LoadBalancer for all of the app's `ports`."""

    address: Address | None = None
    """Its address, from a pool of metallb or cilium. Default: the next free one."""
    from_: tuple[Network, ...] = ()
    """Networks that may connect to it. Default: all addresses outside of the cluster."""
