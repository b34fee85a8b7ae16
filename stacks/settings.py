"""The configuration of a stack, which homelab reads once and validates as a whole.

One message reports all errors of the configuration.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import pulumi

from components.app.section_settings import AppSectionSettings, AppsSectionSettings
from components.app.settings import AppSettings
from components.cluster.settings import ClusterSettings, K3sSettings
from components.settings.errors import Findings
from components.settings.model import NAMESPACE, Model
from stacks import app_sections, config_sections, stackfile
from stacks.app_sections import APP_SECTIONS
from stacks.catalog import K3S_VERSION
from stacks.checks import cluster_findings, machine, platform
from stacks.config_sections import Section
from stacks.platform_settings import PlatformSettings
from stacks.validation_errors import Problem, SettingsError

__all__ = [
    "APP_SECTIONS",
    "LAB_SECTIONS",
    "NAMESPACE",
    "STACK_DEFAULTS",
    "AppStack",
    "LabStack",
    "Problem",
    "SettingsError",
]

LAB_SECTIONS = (
    Section("cluster", ClusterSettings, "describe the cluster under this key, see docs/configuration.md"),
    Section("platform", PlatformSettings),
)

STACK_DEFAULTS: Mapping[tuple[type[Model], str], str] = {
    (ClusterSettings, "name"): "the stack's name",
    (AppSectionSettings, "name"): "the stack's name",
    (AppSettings, "name"): "the app's key",
    (ClusterSettings, "k3s"): "",
    (K3sSettings, "version"): f"`{K3S_VERSION}`",
}
"""Required keys that a stack file may omit, with the text that describes their defaults in the reference."""


class _Stack(ABC):
    """The settings of a stack."""

    @classmethod
    @abstractmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Validate the stack's configuration, whose keys lack the prefix `homelab:`. Raises `SettingsError`."""

    @classmethod
    def load(cls) -> Self:
        """Read and validate the configuration of the running stack.

        If the configuration is invalid, the program ends with one message that lists all errors.
        """
        try:
            return cls.parse(*config_sections.read_running_config(), pulumi.get_stack())
        except SettingsError as error:
            raise error.of_stack(pulumi.get_stack()) from None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a stack file, `Pulumi.<stack>.yaml`, without running Pulumi. Raises `SettingsError`."""
        config, secrets = stackfile.read(file)
        return cls.parse(config, secrets, stackfile.stack_name(file))


@dataclass(frozen=True)
class LabStack(_Stack):
    """The validated settings of a lab stack."""

    cluster: ClusterSettings
    platform: PlatformSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Validate the stack's configuration, whose keys lack the prefix `homelab:`. Raises `SettingsError`."""
        parsed = config_sections.parse(_with_lab_defaults(dict(config), stack), secrets, LAB_SECTIONS, _lab_relations)
        platform_settings = parsed.get("platform", PlatformSettings())
        return cls(cast(ClusterSettings, parsed["cluster"]), cast(PlatformSettings, platform_settings))


@dataclass(frozen=True)
class AppStack(_Stack):
    """The validated settings of an app stack, which has one app or several apps."""

    section: AppSectionSettings | AppsSectionSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Validate the stack's configuration, whose keys lack the prefix `homelab:`. Raises `SettingsError`."""
        sections = app_sections.sections_in({*config, *secrets})
        named = app_sections.with_names(config, stack)
        try:
            (section,) = config_sections.parse(named, secrets, sections, app_sections.relations).values()
        except SettingsError as error:
            raise SettingsError([app_sections.explained(problem, config) for problem in error.problems]) from None
        return cls(cast(AppSectionSettings | AppsSectionSettings, section))

    @property
    def has_several_apps(self) -> bool:
        """Whether the stack file has the key `homelab:apps` instead of `homelab:app`."""
        return isinstance(self.section, AppsSectionSettings)

    @property
    def section_path(self) -> str:
        """The path of the stack's section: `homelab:app` or `homelab:apps`."""
        return f"{NAMESPACE}:{'apps' if self.has_several_apps else 'app'}"

    @property
    def apps(self) -> dict[str, AppSettings]:
        """The apps by the path of their settings, such as `homelab:app` or `homelab:apps.shop`."""
        located = app_sections.located_apps(self.section)
        return {f"{NAMESPACE}:{'.'.join(map(str, path))}": app for path, app in located}

    @property
    def app(self) -> AppSettings:
        """The only app of a stack without `homelab:apps`."""
        (app,) = self.apps.values()
        return app


def _with_lab_defaults(config: dict[str, Any], stack: str) -> dict[str, Any]:
    """Add defaults that the settings models do not contain: the stack's name, and the default K3s version."""
    config = _with_defaults(config, "cluster", {"name": stack, "k3s": {}})
    if isinstance(config.get("cluster"), Mapping) and "k3s" in config["cluster"]:
        config["cluster"] = _with_defaults(config["cluster"], "k3s", {"version": K3S_VERSION})
    return config


def _with_defaults(tree: dict[str, Any], key: str, defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with `defaults` added to the section `key`, if the section is an unencrypted mapping."""
    value = tree.get(key)
    usable = isinstance(value, Mapping) and set(value) != {"secure"}
    return tree | {key: defaults | dict(value)} if value is not None and usable else tree


def _lab_relations(known: Mapping[str, Any]) -> Findings:
    if "cluster" not in known:
        return
    for loc, reason, fix in cluster_findings(known["cluster"]):
        yield ("cluster", *loc), reason, fix
    if "platform" in known:
        for loc, reason, fix in platform.platform_findings(known["cluster"], known["platform"]):
            yield ("platform", *loc), reason, fix
    for loc, reason, fix in machine.module_findings(known["cluster"], known.get("platform") or PlatformSettings()):
        yield ("cluster", *loc), reason, fix
