"""What is wrong between the projects, applications and repositories of ArgoCD."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from components.applications import DEFAULT, ApplicationSetSettings, ApplicationSettings, ProjectSettings, Source
from components.layer import Finding
from components.repositories import Repositories, is_url

Place = tuple[str | int, ...]


def projects(given: Mapping[str, ProjectSettings], repositories: Repositories) -> Iterator[Finding]:
    """Yield what is wrong with projects."""
    if DEFAULT in given:
        reason = "is the name of a project that ArgoCD makes itself, in which everything is allowed"
        yield ("projects", DEFAULT), reason, "give yours another name"
    for name, settings in given.items():
        for index, named in enumerate(settings.repositories):
            if "*" not in named:
                yield from repository(named, repositories, ("projects", name, "repositories", index))


def application(
    settings: ApplicationSettings, known: Collection[str], repositories: Repositories, place: Place
) -> Iterator[Finding]:
    """Yield what is wrong with an application; `known` are the names of projects."""
    yield from _source(settings, known, repositories, place)
    yield from _what(settings, place)


def application_set(
    settings: ApplicationSetSettings, known: Collection[str], repositories: Repositories, place: Place
) -> Iterator[Finding]:
    """Yield what is wrong with a set of applications."""
    yield from _source(settings, known, repositories, place)
    if bool(settings.directories) is bool(settings.elements):
        yield place, "needs exactly one of directories and elements", "add one, or keep one of them"
    elif settings.elements:
        yield from _what(settings, place)
        yield from _elements(settings.elements, place)
    else:
        for key in ("chart", "path"):
            if getattr(settings, key):
                yield (*place, key), "has no use with directories", "leave it out, or use elements"


def repository(named: str, repositories: Repositories, place: Place) -> Iterator[Finding]:
    """Yield that a repository is neither known by its name nor a URL."""
    if named not in repositories and not is_url(named):
        choice = f"use one of: {', '.join(repositories)}; or " if repositories else ""
        yield place, "is neither an entry of repositories nor a URL", f"{choice}write its URL"


def _source(settings: Source, known: Collection[str], repositories: Repositories, place: Place) -> Iterator[Finding]:
    if settings.project not in (DEFAULT, *known):
        fix = f"use one of: {', '.join((DEFAULT, *known))}; or add it to projects"
        yield (*place, "project"), "is not a project", fix
    yield from repository(settings.repository, repositories, (*place, "repository"))
    chosen = repositories.get(settings.repository)
    if chosen and chosen.type == "helm" and not settings.chart:
        yield (*place, "repository"), "holds charts", "give chart and revision, or name a Git repository"
    if chosen and chosen.type == "git" and settings.chart:
        yield (*place, "repository"), "holds files, not charts", "give path, or name a Helm repository"


def _what(settings: Source, place: Place) -> Iterator[Finding]:
    if bool(settings.chart) is bool(settings.path):
        yield place, "needs exactly one of path and chart", "add one, or keep one of them"
    if settings.chart and not settings.revision:
        yield (*place, "revision"), "is missing: a chart has no newest version", "add the version of the chart"


def _elements(elements: Collection[Mapping[str, Any]], place: Place) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, element in enumerate(elements):
        here = (*place, "elements", index)
        if "name" not in element:
            yield here, "has no name", "add name: it is that of the application"
        elif element["name"] in seen:
            yield (*here, "name"), "is there twice", "give every element its own name"
        seen.add(element.get("name", ""))
