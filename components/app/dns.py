"""DNS resolution of an app's pods: fields of the pod specs, egress rules for DNS servers, and checks."""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address

from components.app import destinations
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.settings.errors import Findings

PORT = 53
_MAX_NAMESERVERS = 3
"""Maximum number of DNS servers in /etc/resolv.conf. Resolvers ignore more DNS servers."""


def pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the fields of the app's pod specs that control DNS resolution, except the `dnsPolicy` for hostNetwork."""
    fields: dict[str, Json] = {}
    if app.dns_policy == "None":
        fields["dnsPolicy"] = app.dns_policy
    if config := app.dns_config:
        options = [
            {"name": option.name, **({"value": option.value} if option.value is not None else {})}
            for option in config.options
        ]
        lists = {"nameservers": list(config.nameservers), "searches": list(config.searches), "options": options}
        fields["dnsConfig"] = {key: entries for key, entries in lists.items() if entries}
    if app.host_aliases:
        fields["hostAliases"] = [{"ip": alias.ip, "hostnames": list(alias.hostnames)} for alias in app.host_aliases]
    return fields


def egress(app: AppSettings) -> Iterator[Json]:
    """Yield the NetworkPolicy rule that allows connections to the DNS servers in `dnsConfig.nameservers`."""
    servers = app.dns_config.nameservers if app.dns_config else ()
    # NetworkPolicies do not apply to connections inside a pod, so a DNS server at a loopback address needs no rule
    if outside := [address for address in servers if not ip_address(address).is_loopback]:
        ports = [{"protocol": protocol, "port": PORT} for protocol in ("UDP", "TCP")]
        yield {"to": [destinations.ip_peer(address) for address in outside], "ports": ports}


def dns_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the app's DNS settings."""
    config = app.dns_config
    servers = config.nameservers if config else ()
    if config and not (servers or config.searches or config.options):
        yield ("dnsConfig",), "is empty", "add nameservers, searches or options, or remove dnsConfig"
    if app.dns_policy == "None" and not servers:
        reason = "needs dnsConfig.nameservers, because the pods would have no DNS server"
        yield ("dnsPolicy",), reason, "add DNS servers, such as dnsConfig: {nameservers: [192.168.1.1]}"
    if app.dns_policy == "None":
        for setting in ("postgres", "mariadb", "valkey", "traces"):
            if getattr(app, setting):
                reason = f"leaves the pods without the cluster's DNS server, which the pods need for {setting}"
                yield ("dnsPolicy",), reason, f"remove dnsPolicy, or remove {setting}"
    most = _MAX_NAMESERVERS if app.dns_policy == "None" else _MAX_NAMESERVERS - 1
    if len(servers) > most:
        others = "" if most == _MAX_NAMESERVERS else " and the cluster's DNS server"
        reason = f"lists {len(servers)} DNS servers, but a pod can use only {most}{others}"
        yield ("dnsConfig", "nameservers"), reason, f"keep {most}"
    for key, values in (("nameservers", servers), ("searches", config.searches if config else ())):
        for value, count in Counter(values).items():
            if count > 1:
                yield ("dnsConfig", key), f"lists {value} {count} times", "keep one of them"
    for index, alias in enumerate(app.host_aliases):
        if not alias.hostnames:
            yield ("hostAliases", index, "hostnames"), "is empty", "add a host name, or remove the entry"
        if alias.ip in [other.ip for other in app.host_aliases[:index]]:
            yield (
                ("hostAliases", index, "ip"),
                "is also the IP address of another entry",
                "list all its host names in one entry",
            )
