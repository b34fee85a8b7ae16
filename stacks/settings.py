"""The configuration of a stack: read once, checked whole, every mistake reported at once."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import pulumi

from components.app.checks import problems
from components.app.settings import AppSettings
from components.lab import ClusterSettings, K3sSettings
from components.model import NAMESPACE, Model, NotKnownError
from stacks import sections, stackfile
from stacks.catalog import K3S, LAYERS
from stacks.checks import platform, relations
from stacks.platform_settings import PlatformSettings
from stacks.problems import Loc, Problem, SettingsError
from stacks.sections import Section

__all__ = ["APP", "FILLED_IN", "LAB", "NAMESPACE", "AppStack", "Problem", "Settings", "SettingsError"]

LAB = (
    Section("cluster", ClusterSettings, "describe the cluster there, see docs/configuration.md"),
    Section("platform", PlatformSettings),
)
APP = (Section("app", AppSettings, "describe the app there, see docs/apps.md"),)

FILLED_IN: Mapping[tuple[type[Model], str], str] = {
    (ClusterSettings, "name"): "the stack's name",
    (AppSettings, "name"): "the stack's name",
    (ClusterSettings, "k3s"): "",
    (K3sSettings, "version"): f"`{K3S}`",
}
"""Required keys that a file need not have, and what is filled in for them below, as the reference says it."""


class _Stack(ABC):
    """A kind of stack, by what its file says."""

    @classmethod
    @abstractmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Check our namespace's keys, given without prefix, and return them. Raises `SettingsError`."""

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


@dataclass(frozen=True)
class Settings(_Stack):
    """Everything that the stack file of a lab says, valid."""

    cluster: ClusterSettings
    platform: PlatformSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Check our namespace's keys, given without prefix, and return them. Raises `SettingsError`."""
        found = sections.parse(_of_lab(dict(config), stack), secrets, LAB, _lab_relations)
        on = found.get("platform", PlatformSettings())
        return cls(cast(ClusterSettings, found["cluster"]), cast(PlatformSettings, on))


@dataclass(frozen=True)
class AppStack(_Stack):
    """Everything that the stack file of an app says, valid."""

    app: AppSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Check our namespace's keys, given without prefix, and return them. Raises `SettingsError`."""
        named = _with(dict(config), "app", {"name": stack})
        given = config.get("app")
        try:
            found = sections.parse(named, secrets, APP, _app_relations)
        except SettingsError as error:
            own = isinstance(given, Mapping) and "name" in given
            raise error if own else SettingsError([_of_stack(each) for each in error.problems]) from None
        return cls(cast(AppSettings, found["app"]))


def _of_lab(config: dict[str, Any], stack: str) -> dict[str, Any]:
    """Fill in what the models cannot know: the stack's name, and the release that the catalog pins."""
    config = _with(config, "cluster", {"name": stack, "k3s": {}})
    if isinstance(config.get("cluster"), Mapping) and "k3s" in config["cluster"]:
        config["cluster"] = _with(config["cluster"], "k3s", {"version": K3S})
    return config


def _of_stack(problem: Problem) -> Problem:
    """The same, of a name that the file does not say."""
    if problem.path != f"{NAMESPACE}:app.name":
        return problem
    reason = f"{problem.reason}, and comes from the stack's name"
    return Problem(problem.path, reason, f"write a name here: {problem.fix}")


def _with(tree: dict[str, Any], key: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """The same with defaults under `key`, where a mapping stands there that is no secret."""
    given = tree.get(key)
    usable = isinstance(given, Mapping) and set(given) != {"secure"}
    return tree | {key: defaults | dict(given)} if given is not None and usable else tree


def _lab_relations(known: Mapping[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    if "cluster" not in known:
        return
    for loc, reason, fix in relations(known["cluster"]):
        yield ("cluster", *loc), reason, fix
    if "platform" in known:
        for loc, reason, fix in platform.relations(known["cluster"], known["platform"]):
            yield ("platform", *loc), reason, fix


def _app_relations(known: Mapping[str, Any]) -> Iterator[tuple[Loc, str, str]]:
    for app in known.values():
        yield from _namespace_of_a_layer(app)
        for loc, reason, fix in problems(app):
            yield ("app", *loc), reason, fix


def _namespace_of_a_layer(app: AppSettings) -> Iterator[tuple[Loc, str, str]]:
    """An app of that name would have its pods, secrets and rights there, or the layer would not come any more."""
    for row in LAYERS:
        try:
            if app.name in (row.layer.namespace, *row.layer.further_namespaces):
                yield ("app", "name"), f"is the namespace of the layer {row.layer.key}", "use another name"
        except NotKnownError:
            return
