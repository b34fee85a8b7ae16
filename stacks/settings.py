"""The configuration of a stack: read once, checked whole, every mistake reported at once."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import pulumi

from components.lab import ClusterSettings
from components.model import NAMESPACE
from stacks import sections, stackfile
from stacks.catalog import K3S
from stacks.checks import platform, relations
from stacks.platform_settings import PlatformSettings
from stacks.problems import Loc, Problem, SettingsError
from stacks.sections import Section

__all__ = ["NAMESPACE", "Problem", "Settings", "SettingsError"]

SECTIONS = (
    Section("cluster", ClusterSettings, "describe the cluster there, see docs/configuration.md"),
    Section("platform", PlatformSettings),
)


@dataclass(frozen=True)
class Settings:
    """Everything that the stack file of a lab says, valid."""

    cluster: ClusterSettings
    platform: PlatformSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Check our namespace's keys, given without prefix, and return them. Raises `SettingsError`."""
        found = sections.parse(_with_defaults(dict(config), stack), secrets, SECTIONS, _relations)
        cluster, on = cast(ClusterSettings, found["cluster"]), found.get("platform", PlatformSettings())
        return cls(cluster, cast(PlatformSettings, on))

    @classmethod
    def load(cls) -> Self:
        """Read the configuration of the running program. A wrong one ends it with one message."""
        try:
            return cls.parse(*sections.given(), pulumi.get_stack())
        except SettingsError as error:
            raise error.of_stack(pulumi.get_stack()) from None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a `Pulumi.<stack>.yaml` without Pulumi. Raises `SettingsError`."""
        config, secrets = stackfile.read(file)
        return cls.parse(config, secrets, stackfile.stack_of(file))


def _with_defaults(config: dict[str, Any], stack: str) -> dict[str, Any]:
    """Fill in what the models cannot know: the stack's name, and the release that the catalog pins."""
    cluster = config.get("cluster")
    if not isinstance(cluster, Mapping) or set(cluster) == {"secure"}:
        return config
    k3s = cluster.get("k3s", {})
    k3s = {"version": K3S} | dict(k3s) if isinstance(k3s, Mapping) else k3s
    return config | {"cluster": {"name": stack} | dict(cluster) | {"k3s": k3s}}


def _relations(known: Mapping[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    if "cluster" not in known:
        return
    for loc, reason, fix in relations(known["cluster"]):
        yield ("cluster", *loc), reason, fix
    if "platform" in known:
        for loc, reason, fix in platform.relations(known["cluster"], known["platform"]):
            yield ("platform", *loc), reason, fix
