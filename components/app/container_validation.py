"""Checks of each additional container of an app: sidecars, init containers, jobs and workers."""

from collections.abc import Iterator

from components.app import variable_references
from components.app.container_settings import AppContainerSettings
from components.app.settings import AppSettings
from components.settings.errors import Findings
from components.settings.model import camel_case


def container_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the settings of the app's additional containers."""
    for path, container in _containers(app):
        for check in (_identical, _variables, _references):
            for loc, reason, fix in check(app, container):
                yield (*path, *loc), reason, fix


def _containers(app: AppSettings) -> Iterator[tuple[tuple[str, ...], AppContainerSettings]]:
    for section in ("sidecars", "init_containers", "cron", "workers"):
        yield from (((camel_case(section), name), container) for name, container in getattr(app, section).items())
    if app.before is not None:
        yield ("before",), app.before


def _identical(_: AppSettings, container: AppContainerSettings) -> Findings:
    if not (container.image or container.command or container.args or container.environment):
        yield (), "runs the same as the app's own container", "set image, command, args or environment"


def _variables(app: AppSettings, container: AppContainerSettings) -> Findings:
    origins = variable_references.predefined_variables(app)
    for name in container.environment:
        if name in origins:
            yield ("environment", name), f"is already set by {origins[name]}", "remove it, or use another name"


def _references(app: AppSettings, container: AppContainerSettings) -> Findings:
    for name, reason, fix in variable_references.broken_references(
        {**app.environment, **container.environment}, variable_references.predefined_variables(app)
    ):
        if name in container.environment:
            yield ("environment", name), reason, fix
