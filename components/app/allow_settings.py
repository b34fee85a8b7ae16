"""Settings of the connections that an app's NetworkPolicies allow."""

from components.settings.fields import Cidr, DnsLabel, Port, StrictBool
from components.settings.model import Model


class AppDestinationSettings(Model):
    """A destination of the app's connections: one namespace of the cluster, or one CIDR."""

    namespace: DnsLabel | None = None
    """Namespace of the destination, which includes all pods of the namespace."""
    network: Cidr | None = None
    """CIDR outside the cluster. Write a single IPv4 address with the suffix /32."""
    ports: tuple[Port, ...] = ()
    """TCP ports of the destination. Default: all ports and protocols."""


class AppAllowSettings(Model):
    """Additional connections. Connections from the ingress controller, to DNS and to the app's database are always
    allowed."""

    from_: tuple[DnsLabel, ...] = ()
    """Namespaces whose pods may connect to the app's `port` and `ports`."""
    to: tuple[AppDestinationSettings, ...] = ()
    """Destinations that the app may connect to."""
    internet: StrictBool = False
    """Whether the app may connect to all public addresses."""
