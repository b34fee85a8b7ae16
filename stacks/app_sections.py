"""The sections of an app stack: `homelab:app` with one app, or `homelab:apps` with several apps."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from components.app.section_settings import AppPlatformSettings, AppSectionSettings, AppsSectionSettings
from components.app.settings import AppSettings
from components.app.stack_validation import findings_between
from components.app.validation import findings
from components.settings.errors import Findings, SettingPath
from components.settings.model import NAMESPACE, camel_case
from stacks.catalog import LAYERS
from stacks.config_sections import Section
from stacks.validation_errors import Problem, display_path

ONE_APP = Section("app", AppSectionSettings, "describe the app under this key, see docs/apps.md")
SEVERAL_APPS = Section("apps", AppsSectionSettings, "describe the apps under this key, see docs/apps-one-stack.md")
APP_SECTIONS = (ONE_APP, SEVERAL_APPS)
_COMMON_KEYS = [camel_case(name) for name in AppPlatformSettings.model_fields]
"""Keys of `homelab:apps` that are not names of apps."""


def sections_in(keys: set[str]) -> Sequence[Section]:
    """Return `homelab:app` or `homelab:apps`, whichever is among the keys of the stack's configuration. If the
    configuration has neither section, `homelab:app` is reported as missing."""
    return [section for section in APP_SECTIONS if section.key in keys] or [ONE_APP]


def with_names(config: Mapping[str, Any], stack: str) -> dict[str, Any]:
    """Return the stack configuration with a name for each app: the app's key in `homelab:apps`, or by default the
    stack's name in `homelab:app`."""
    named = dict(config)
    if _is_settings(config.get("app")):
        named["app"] = {"name": stack, **config["app"]}
    if _is_settings(config.get("apps")):
        named["apps"] = {
            key: {"name": key, **value} if key not in _COMMON_KEYS and _is_settings(value) else value
            for key, value in config["apps"].items()
        }
    return named


def _is_settings(value: object) -> bool:
    """Whether a configuration value is a mapping, and not an encrypted Pulumi secret."""
    return isinstance(value, Mapping) and set(value) != {"secure"}


def explained(problem: Problem, config: Mapping[str, Any]) -> Problem:
    """Return a clearer message for a validation error about a name that `with_names` added, or about a key of
    `homelab:apps` inside an app."""
    app, apps = config.get("app"), config.get("apps")
    if problem.path == f"{NAMESPACE}:app.name" and not (isinstance(app, Mapping) and "name" in app):
        reason = f"{problem.reason}, and is derived from the stack's name"
        return Problem(problem.path, reason, f"set a name here: {problem.fix}")
    for key, value in apps.items() if isinstance(apps, Mapping) else ():
        path = display_path(("apps", key), config)
        if problem.path == f"{path}.name" and not (isinstance(value, Mapping) and "name" in value):
            return Problem(path, problem.reason, problem.fix)
        if problem.path in [f"{path}.{common}" for common in _COMMON_KEYS]:
            common = problem.path.removeprefix(f"{path}.")
            return Problem(problem.path, "applies to all apps of a stack", f"write it as {NAMESPACE}:apps.{common}")
    return problem


def relations(known: Mapping[str, Any]) -> Findings:
    """Yield the conflicts between the settings of an app stack, each with the section of the stack configuration."""
    if len(known) > 1:
        yield ("apps",), f"cannot be used together with {NAMESPACE}:app", "keep one of the two keys"
    if "apps" in known:
        for loc, reason, fix in _several(known["apps"].apps):
            yield ("apps", *loc), reason, fix
    for section in known.values():
        for path, app in located_apps(section):
            for loc, reason, fix in chain(_layer_namespaces(app), findings(app)):
                yield (*path, *loc), reason, fix


def located_apps(section: AppSectionSettings | AppsSectionSettings) -> Iterator[tuple[SettingPath, AppSettings]]:
    """Yield the settings of each app in a section, with the path of the settings."""
    if isinstance(section, AppSectionSettings):
        yield ("app",), section
    else:
        yield from ((("apps", key), app) for key, app in section.apps.items())


def _several(apps: Mapping[str, AppSettings]) -> Findings:
    if not apps:
        yield (), "contains no app", "add an app, such as shop: {image: ghcr.io/owner/shop:1.2.3}"
    for key, app in apps.items():
        if app.name != key:
            yield (key, "name"), "differs from the app's key", "remove it, because the key is the app's name"
    yield from findings_between(apps)


def _layer_namespaces(app: AppSettings) -> Findings:
    """Reject an app whose namespace belongs to a platform layer, because the app's pods could use the layer's Secrets
    and permissions."""
    for entry in LAYERS:
        if app.name in entry.namespaces:
            yield ("name",), f"is the namespace of the layer {entry.layer.key}", "use another name"
