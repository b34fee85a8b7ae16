"""Validation and canonical forms of IP addresses, CIDRs, address ranges, hosts and URLs."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from urllib.parse import urlsplit

from components.settings.errors import setting_error

IP = IPv4Address | IPv6Address

_HOST_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*")

_SPECIAL = {
    "is_loopback": "a loopback",
    "is_multicast": "a multicast",
    "is_unspecified": "the unspecified",
    "is_link_local": "a link-local",
    "is_reserved": "a reserved",
}


def machine_ip(value: str) -> str:
    """Validate the IPv4 or IPv6 address of a machine, and return it in canonical form."""
    address = _address(value)
    _refuse_special(address, "use the address at which other machines reach this machine")
    return str(address)


def pod_ip(value: str) -> str:
    """Validate an IP address to which a pod connects, and return it in canonical form. The function accepts the
    loopback address, which is the pod itself. It also accepts the unspecified address, to which connections fail, so
    that users can block a host name."""
    address = _address(value)
    if not (address.is_loopback or address.is_unspecified):
        _refuse_special(address, "use the address at which pods reach the host")
    return str(address)


def _address(value: str) -> IP:
    try:
        address = ip_address(value)
    except ValueError:
        raise setting_error(
            "is not an IP address", "write it as 192.168.1.11 or fd00::11, without prefix length"
        ) from None
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        raise setting_error("has a zone ID or is IPv4-mapped", "remove the zone ID after %, or write the IPv4 address")
    return address


def _refuse_special(address: IP, fix: str) -> None:
    for flag, name in _SPECIAL.items():
        if getattr(address, flag):
            raise setting_error(f"is {name} address", fix)


def cidr(value: str) -> str:
    """Validate a CIDR, whose host bits must be zero, and return the CIDR in canonical form."""
    try:
        subnet = ip_interface(value).network
    except ValueError:
        raise setting_error("is not a CIDR", "write it as 10.42.0.0/16 or fd42::/56") from None
    if "/" not in value:
        raise setting_error("has no prefix length", "write it as 10.42.0.0/16 or fd42::/56")
    try:
        return str(ip_network(value))
    except ValueError:
        raise setting_error("has host bits set", f"write {subnet}") from None


_RANGE_FIX = "write it as 192.168.1.240-192.168.1.250 or 192.168.1.240/28"


def address_range(value: str) -> str:
    """Validate an address range, which is a CIDR or `FIRST-LAST` (inclusive), and return it in canonical form."""
    if "/" in value:
        canonical = cidr(value)
        first, last = bounds(canonical)
    else:
        try:
            first, last = (ip_address(part.strip()) for part in value.split("-"))
        except ValueError:
            raise setting_error("is not an address range", _RANGE_FIX) from None
        canonical = f"{first}-{last}"
    if first.version != last.version or any(isinstance(end, IPv6Address) and end.scope_id for end in (first, last)):
        raise setting_error("must have a first and last address of the same IP family, without zone IDs", _RANGE_FIX)
    if int(first) > int(last):
        raise setting_error("ends before it starts", f"write {last}-{first}")
    for end in (first, last):
        _refuse_special(end, "use addresses that other machines can reach")
    return canonical


def bounds(canonical: str) -> tuple[IP, IP]:
    """Return the first and the last address of a CIDR, an address range or a single address in canonical form."""
    if "/" in canonical:
        subnet = ip_network(canonical)
        return subnet.network_address, subnet.broadcast_address
    first, _, last = canonical.partition("-")
    return ip_address(first), ip_address(last or first)


def is_ipv6(canonical: str) -> bool:
    """Whether an IP address, a CIDR or an address range in canonical form is IPv6."""
    return bounds(canonical)[0].version == 6


def overlap(one: str, other: str) -> bool:
    """Whether two IP addresses, CIDRs or address ranges in canonical form have a common address."""
    (first, last), (begin, end) = bounds(one), bounds(other)
    return first.version == begin.version and int(first) <= int(end) and int(begin) <= int(last)


def edge_of(address: str, lan: str) -> str | None:
    """Return `network` or `broadcast` if no machine can have the address in the CIDR `lan`, otherwise None.

    In IPv6, the network address is the Subnet-Router anycast address (RFC 4291, section 2.6.1).
    """
    subnet, value = ip_network(lan), ip_address(address)
    if subnet.num_addresses <= 2:
        return None
    if value == subnet.network_address:
        return "network"
    return "broadcast" if subnet.version == 4 and value == subnet.broadcast_address else None


def host(value: str) -> str:
    """Validate a host name or IP address, and return it in canonical form."""
    try:
        ip_address(value)
    except ValueError:
        looks_like_address = re.fullmatch(r"[0-9.]+", value)
        if looks_like_address or not _HOST_NAME.fullmatch(value):
            reason = "is neither a host name nor an IP address"
            raise setting_error(reason, "write the host without scheme and port, in lower case") from None
        return value
    return machine_ip(value)


def host_port(value: str) -> str:
    """Validate a host with an optional port, such as `s3.lan:9000` or `[fd00::1]:9000`."""
    if ":" in value and is_address(value):
        fix = "write the address in brackets, and a port after the brackets, such as [fd00::1] or [fd00::1]:53"
        raise setting_error("is an IPv6 address without brackets", fix)
    parts = re.fullmatch(r"(\[(?P<v6>[0-9a-f:]+)\]|(?P<name>[^:/\[\]]+))(:(?P<port>[0-9]+))?", value)
    if not parts or not 1 <= int(parts["port"] or 1) <= 65535:
        raise setting_error(
            "is not a host with an optional port", "write the host without scheme and path, such as s3.lan:9000"
        )
    host(parts["v6"] or parts["name"])
    return value


def http_url(value: str) -> str:
    """Validate an http:// or https:// URL without credentials and query, and remove a trailing slash."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise setting_error("is not a URL", "write it as https://mirror.lan/k3s") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise setting_error("is not an http or https URL", "write it as https://mirror.lan/k3s")
    if parts.username is not None or parts.password is not None:
        raise setting_error("must not contain credentials", "write it without the part before @")
    if parts.query or parts.fragment or " " in value:
        raise setting_error("must not contain a query, fragment or space", "end it with the path")
    host(parts.hostname)
    return value.rstrip("/")


def chart_repository(value: str) -> str:
    """Validate the URL of a Helm repository (http:// or https://) or of an OCI registry (oci://)."""
    scheme, _, rest = value.partition("://")
    return f"oci{http_url(f'https://{rest}').removeprefix('https')}" if scheme == "oci" else http_url(value)


def is_address(value: str) -> bool:
    """Whether a host is an IP address, and not a host name."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def default_lan(address: str) -> str:
    """Return the /24 subnet that contains an IPv4 address, or the /64 subnet that contains an IPv6 address."""
    prefix = 24 if ip_address(address).version == 4 else 64
    return str(ip_interface(f"{address}/{prefix}").network)


def bracketed(host: str) -> str:
    """Return a host in the form that URLs need, with brackets around an IPv6 address."""
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host
