"""`./homelab diagram`: draws the lab as SVG from its stack files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from components.app.settings import AppSettings
from operations import console
from operations.picture.layout import draw_lab
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from stacks.settings import AppStack, LabStack
from stacks.stackfile import short_name

Apps = Annotated[
    list[Path] | None, typer.Option("--app", metavar="FILE", help="Stack file of an app to draw; repeatable.")
]


def diagram(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    app: Apps = None,
    output: Annotated[Path | None, typer.Option(help="File to write. Default: standard output.")] = None,
) -> None:
    """Draw the lab as SVG: apps, platform layers, API endpoint and machines. Connects to no machine."""
    with console.report_errors():
        source = Stack(stack, config_file).file
        settings = LabStack.read(source)
        picture = draw_lab(settings, _apps_on(settings.cluster.name, app or ()))
    if output is None:
        typer.echo(picture, nl=False)
        return
    output.write_text(picture, encoding="utf-8")
    console.stderr.print(f"{output}: drawn from {source.name}.", markup=False, soft_wrap=True)


def _apps_on(platform: str, files: Sequence[Path]) -> list[AppSettings]:
    """Read the stack files of apps.

    Raises `StackError` if an app's stack file names another platform than `platform`.
    """
    apps = {file: AppStack.read(file).app for file in files}
    for file, app in apps.items():
        if short_name(app.platform) != platform:
            raise StackError(
                f"The app of {file.name} uses the platform {app.platform} instead of {platform}: omit this file."
            )
    return list(apps.values())
