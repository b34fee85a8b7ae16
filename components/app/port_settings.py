"""Ports of an app beside the one for HTTP, as its owner describes them."""

from typing import Literal

from components.fields import Address, Network, Port
from components.model import Model


class AppPortSettings(Model):
    """A port on which the app answers, beside the one for HTTP. Its Service has the same number."""

    port: Port
    """Its number."""
    protocol: Literal["TCP", "UDP"] = "TCP"
    """Its protocol."""


class AppLoadBalancerSettings(Model):
    """An address of its own, on which all of the app's `ports` are reached from outside of the cluster."""

    address: Address | None = None
    """The address, of a pool of metallb. Default: the next one that is free."""
    from_: tuple[Network, ...] = ()
    """Networks that may connect to it. Default: all outside of the cluster."""
