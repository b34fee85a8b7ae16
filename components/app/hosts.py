"""Hosts of an app: their fully qualified names, and the groups of hosts that share an Ingress."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pulumi

from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.settings.http_fields import ANY_HOST

_KINDS = (("", None), ("-wildcard", 3), ("-default", 2))
"""Suffixes of Ingress names, and priorities in Traefik: for exact hosts, wildcard hosts, and the host `*`. By default,
Traefik uses the length of a rule as its priority, which is more than 3. The platform's default route has priority 1."""


@dataclass(frozen=True)
class HostGroup:
    """A group of hosts with the same ClusterIssuer and the same router priority, which share one Ingress."""

    ingress: str
    hosts: tuple[str, ...]
    issuer: str | None
    """ClusterIssuer for the hosts of this group. With None, homelab uses the app's ClusterIssuer or the platform's
    default ClusterIssuer."""
    priority: int | None

    @property
    def has_certificate(self) -> bool:
        """Whether a TLS certificate can contain the names of the group's hosts."""
        return ANY_HOST not in self.hosts


def groups(app: AppSettings) -> Iterator[HostGroup]:
    """Yield the groups of the app's hosts, for each of which homelab creates an Ingress."""
    found: dict[tuple[int, str], list[str]] = {}
    for host in app.hosts:
        kind = 2 if host == ANY_HOST else int(is_wildcard(host))
        found.setdefault((kind, app.tls.issuers.get(host, "")), []).append(host)
    for (kind, issuer), names in found.items():
        suffix, priority = _KINDS[kind]
        tls = f"-tls-{issuer}" if issuer else ""
        yield HostGroup(f"{app.name}{suffix}{tls}", tuple(names), issuer or None, priority)


def is_wildcard(host: str) -> bool:
    """Whether a host is a wildcard: `*.DOMAIN` or `*`."""
    return host.startswith(ANY_HOST)


def certificate_hosts(app: AppSettings) -> list[str]:
    """Return the app's hosts for which cert-manager issues certificates."""
    return [host for host in app.hosts if host != ANY_HOST] if app.tls.certificate else []


def includes(app: AppSettings, name: str) -> bool:
    """Whether one of the app's hosts is `name`, or a wildcard that matches `name`."""
    return not {name, ANY_HOST, f"*.{name.partition('.')[2]}"}.isdisjoint(app.hosts)


def host_conflicts(apps: Mapping[str, AppSettings], domain: str) -> Iterator[tuple[str, str, str]]:
    """Yield the path, reason and fix of each host and URL path that two apps serve.

    The function appends `domain` to host names without a dot.

    The keys of `apps` are the paths of the apps' settings, such as `homelab:apps.shop`.
    """
    owners: dict[str, str] = {}
    for path, app in apps.items():
        for index, host in enumerate(app.hosts):
            setting, name = f"{path}.hosts[{index}]", _qualified(host, domain)
            for url in [f"{name}{prefix}" for prefix in app.paths]:
                if (owner := owners.setdefault(url, setting)) != setting:
                    yield setting, f"serves {url}, like {owner}", "keep one of them, or change its path"
                    break


def _qualified(host: str, domain: str) -> str:
    return host if "." in host or host == ANY_HOST else f"{host}.{domain}"


def full_name(host: str, platform: AppPlatformOutputs) -> pulumi.Input[str]:
    """Return the fully qualified name of a host: homelab appends the platform's domain to a name without a dot."""
    return host if "." in host else pulumi.Output.format("{}.{}", host, platform.domain)
