"""Settings of the DNS resolution of an app's pods."""

from typing import Annotated

from components.settings.domains import DOMAIN_PATTERN
from components.settings.fields import Domain, PodAddress, Text
from components.settings.kubernetes_fields import matching
from components.settings.model import Model

SearchDomain = Annotated[
    str,
    matching(
        "search domain", rf"{DOMAIN_PATTERN}\.?", "use lower-case labels separated by dots, such as lab.example.com"
    ),
]
"""A search domain, which may end in a dot, as Kubernetes allows."""


class AppHostAliasSettings(Model):
    """Host names that the app's containers resolve to an IP address, through their file /etc/hosts."""

    ip: PodAddress
    """IP address to which the host names resolve. 127.0.0.1 is the pod itself."""
    hostnames: tuple[Domain, ...]
    """Host names."""


class AppDnsOptionSettings(Model):
    """An option of the resolver in /etc/resolv.conf."""

    name: Text
    """Name of the option, such as ndots."""
    value: Text | None = None
    """Value of the option. Default: the option has no value."""


class AppDnsConfigSettings(Model):
    """Entries of the file /etc/resolv.conf in the app's containers, in addition to the entries of `dnsPolicy`."""

    nameservers: tuple[PodAddress, ...] = ()
    """IP addresses of DNS servers outside the cluster, or 127.0.0.1 for a DNS server in a sidecar. The app's
    NetworkPolicies allow connections to port 53 of these DNS servers."""
    searches: tuple[SearchDomain, ...] = ()
    """Search domains."""
    options: tuple[AppDnsOptionSettings, ...] = ()
    """Options of the resolver."""
