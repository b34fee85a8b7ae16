"""What must hold of the containers of an app beside its own, each by itself."""

from collections.abc import Iterator

from components.app import references
from components.app.container_settings import AppContainerSettings
from components.app.settings import AppSettings
from components.layer import Finding
from components.model import NotKnownError, camel

Findings = Iterator[Finding]


def container_problems(app: AppSettings) -> Findings:
    """Yield every broken relation; one that needs a wrong field is passed over."""
    for place, container in _containers(app):
        for check in (_same, _variables, _references):
            try:
                for loc, reason, fix in check(app, container):
                    yield (*place, *loc), reason, fix
            except NotKnownError:
                continue


def _containers(app: AppSettings) -> Iterator[tuple[tuple[str, ...], AppContainerSettings]]:
    for section in ("sidecars", "init_containers", "cron"):
        try:
            yield from (((camel(section), name), each) for name, each in getattr(app, section).items())
        except NotKnownError:
            continue
    try:
        if app.before is not None:
            yield ("before",), app.before
    except NotKnownError:
        return


def _same(_: AppSettings, container: AppContainerSettings) -> Findings:
    if not (container.image or container.command or container.args or container.environment):
        yield (), "runs what the app itself runs", "give it an image, a command, args or an environment of its own"


def _variables(app: AppSettings, container: AppContainerSettings) -> Findings:
    taken = references.given(app)
    for name in container.environment:
        if name in taken:
            yield ("environment", name), f"already comes from {taken[name]}", "take it out, or use another name"


def _references(app: AppSettings, container: AppContainerSettings) -> Findings:
    for name, reason, fix in references.wrong({**app.environment, **container.environment}, references.given(app)):
        if name in container.environment:
            yield ("environment", name), reason, fix
