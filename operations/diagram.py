"""`./homelab diagram`: draws the lab from its configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components.app.settings import AppSettings
from operations import talk
from operations.picture.lab import draw
from operations.stack import Stack, StackError, StackFile, StackName
from stacks.settings import AppStack, Settings
from stacks.stackfile import short_name

Apps = Annotated[
    list[Path] | None, typer.Option("--app", metavar="FILE", help="Stack file of an app on it; may be repeated.")
]


def diagram(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    app: Apps = None,
    output: Annotated[Path | None, typer.Option(help="File to write. Default: the SVG is printed.")] = None,
) -> None:
    """Draw the lab as SVG: apps, layers in their order, the API, machines. No machine is asked."""
    with talk.guarded():
        source = Stack(stack, config_file).file
        settings = Settings.read(source)
        picture = draw(settings, _on(settings.cluster.name, app or ()))
    if output is None:
        typer.echo(picture, nl=False)
        return
    output.write_text(picture, encoding="utf-8")
    talk.errors.print(f"{output} shows {source.name}.", markup=False, soft_wrap=True)


def _on(platform: str, files: Sequence[Path]) -> list[AppSettings]:
    """The apps of these files, all of which must be on that platform. Raises `StackError`."""
    found = {file: AppStack.read(file).app for file in files}
    for file, app in found.items():
        if short_name(app.platform) != platform:
            raise StackError(f"{file.name} is an app on {app.platform}, not on {platform}: leave it out.")
    return list(found.values())
