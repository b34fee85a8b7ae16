"""Checks that compare the apps of one stack."""

from collections.abc import Hashable, Iterator, Mapping

from components.app.database import cluster_name
from components.app.settings import AppSettings
from components.settings.errors import Findings, SettingPath

Claim = tuple[SettingPath, Hashable]
"""The path of a setting below its app, and a value that only one app of a stack may have."""


def findings_between(apps: Mapping[str, AppSettings]) -> Findings:
    """Yield an error for each value that two apps of one stack claim, such as the same host and path. The path of each
    error starts with the key of the second app in `homelab:apps`."""
    for claims, reason, fix in _CHECKS:
        owners: dict[Hashable, str] = {}
        for key, app in apps.items():
            for loc, value in claims(app):
                if (owner := owners.setdefault(value, key)) != key:
                    yield (key, *loc), reason.format(app=owner, value=value), fix


def _routes(app: AppSettings) -> Iterator[Claim]:
    for index, host in enumerate(app.hosts):
        for path in app.paths:
            yield ("hosts", index), f"{host}{path}"


def _addresses(app: AppSettings) -> Iterator[Claim]:
    if app.load_balancer and app.load_balancer.address:
        yield ("loadBalancer", "address"), app.load_balancer.address


def _databases(app: AppSettings) -> Iterator[Claim]:
    if app.postgres:
        yield ("postgres", "name"), cluster_name(app, app.postgres)


_CHECKS = (
    (_routes, "serves {value}, which the app {app} also serves", "change hosts or paths of one of the two apps"),
    (_addresses, "is also the address of the app {app}", "choose another address"),
    (
        _databases,
        "results in the name {value}, which is also the name of the database of the app {app}",
        "choose another name, such as db-2",
    ),
)
"""The claims of an app, and the reason and the fix of the error about a second claim."""
