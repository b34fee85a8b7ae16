"""Validation of Argo CD's projects and Applications, and of their references to each other and to repositories."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from components.layers.argocd.applications import (
    DEFAULT_PROJECT,
    ApplicationSetSettings,
    ApplicationSettings,
    ProjectSettings,
    SourceSettings,
)
from components.layers.argocd.repositories import Repositories, is_url
from components.settings.checks import exactly_one
from components.settings.errors import Finding, SettingPath


def projects(settings_by_name: Mapping[str, ProjectSettings], repositories: Repositories) -> Iterator[Finding]:
    """Yield errors in the entries under `argocd.projects`."""
    if DEFAULT_PROJECT in settings_by_name:
        reason = "is the name of Argo CD's built-in project, which allows everything"
        yield ("projects", DEFAULT_PROJECT), reason, "choose another name"
    for name, settings in settings_by_name.items():
        for index, reference in enumerate(settings.repositories):
            if "*" not in reference:
                yield from repository(reference, repositories, ("projects", name, "repositories", index))


def application(
    settings: ApplicationSettings, known_projects: Collection[str], repositories: Repositories, path: SettingPath
) -> Iterator[Finding]:
    """Yield errors in one entry under `argocd.applications`."""
    yield from _source(settings, known_projects, repositories, path)
    yield from _location(settings, path)


def application_set(
    settings: ApplicationSetSettings, known_projects: Collection[str], repositories: Repositories, path: SettingPath
) -> Iterator[Finding]:
    """Yield errors in one entry under `argocd.applicationSets`."""
    yield from _source(settings, known_projects, repositories, path)
    yield from exactly_one(path, settings, "directories", "elements")
    if settings.elements and not settings.directories:
        yield from _location(settings, path)
        yield from _elements(settings.elements, path)
    elif settings.directories and not settings.elements:
        for key in ("chart", "path"):
            if getattr(settings, key):
                yield (*path, key), "has no effect with directories", "remove it, or use elements"


def repository(reference: str, repositories: Repositories, path: SettingPath) -> Iterator[Finding]:
    """Yield an error if `reference` is neither a key under `repositories` nor a URL."""
    if reference not in repositories and not is_url(reference):
        choice = f"use one of: {', '.join(repositories)}; or " if repositories else ""
        yield path, "is neither a key under repositories nor a URL", f"{choice}write its URL"


def _source(
    settings: SourceSettings, known_projects: Collection[str], repositories: Repositories, path: SettingPath
) -> Iterator[Finding]:
    if settings.project not in (DEFAULT_PROJECT, *known_projects):
        fix = f"use one of: {', '.join((DEFAULT_PROJECT, *known_projects))}; or add it to projects"
        yield (*path, "project"), "is not a project", fix
    yield from repository(settings.repository, repositories, (*path, "repository"))
    entry = repositories.get(settings.repository)
    if entry and entry.type == "helm" and not settings.chart:
        yield (*path, "repository"), "is a Helm repository", "set chart and revision, or use a Git repository"
    if entry and entry.type == "git" and settings.chart:
        yield (*path, "repository"), "is a Git repository", "set path instead of chart, or use a Helm repository"


def _location(settings: SourceSettings, path: SettingPath) -> Iterator[Finding]:
    yield from exactly_one(path, settings, "path", "chart")
    if settings.chart and not settings.revision:
        yield (*path, "revision"), "is missing: a chart needs a fixed version", "add the version of the chart"


def _elements(elements: Collection[Mapping[str, Any]], path: SettingPath) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, element in enumerate(elements):
        element_path = (*path, "elements", index)
        if "name" not in element:
            yield element_path, "has no name", "add name: the application gets this name"
        elif element["name"] in seen:
            yield (*element_path, "name"), "is the name of another element too", "give every element its own name"
        seen.add(element.get("name", ""))
