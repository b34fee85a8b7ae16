"""The container images that the apps of a rehearsed lab run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from components.app.container_settings import AppContainerSettings
from components.app.settings import AppSettings
from stacks.catalog import MARIADB_IMAGE, RESTIC_IMAGE, VALKEY_IMAGE
from stacks.settings import AppStack, SettingsError


def image_names(files: Sequence[Path]) -> set[str]:
    """Return the names of the images in the stack files of apps.

    A stack file with invalid settings is skipped, because the Pulumi program reports its errors.
    """
    names: set[str] = set()
    for file in files:
        with suppress(SettingsError):
            names.update(*map(_names, AppStack.read(file).apps.values()))
    return names


def _names(app: AppSettings) -> Iterator[str]:
    yield app.image
    sections: list[Mapping[str, AppContainerSettings]] = [app.sidecars, app.init_containers, app.cron, app.workers]
    containers = [container for section in sections for container in section.values()]
    if app.before:
        containers.append(app.before)
    yield from (container.image for container in containers if container.image)
    if app.valkey:
        yield app.valkey.image or VALKEY_IMAGE
    if app.mariadb:
        yield app.mariadb.image or MARIADB_IMAGE
    if app.backup:
        yield app.backup.image or RESTIC_IMAGE
