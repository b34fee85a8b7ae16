"""Settings of the connections that an app's NetworkPolicies allow."""

from components.settings.fields import Cidr, DnsLabel, Port, StrictBool
from components.settings.model import Model


class AppDestinationSettings(Model):
    """A destination to which the app's pods may connect: one namespace of the cluster, or one CIDR."""

    namespace: DnsLabel | None = None
    """Namespace to whose pods the app may connect."""
    network: Cidr | None = None
    """CIDR outside the cluster to which the app may connect. Write a single IPv4 address with the suffix /32."""
    ports: tuple[Port, ...] = ()
    """TCP ports of the destination. Default: all ports and protocols."""


class AppAllowSettings(Model):
    """Connections that the app's NetworkPolicies allow. The NetworkPolicies also allow connections from the ingress
    controller to the app, and from the app's pods to the cluster's DNS server and the app's database."""

    from_: tuple[DnsLabel, ...] = ()
    """Namespaces whose pods may connect to the ports in the app's `port` and `ports`."""
    to: tuple[AppDestinationSettings, ...] = ()
    """Destinations that the app may connect to."""
    internet: StrictBool = False
    """Whether the app may connect to all public addresses."""
