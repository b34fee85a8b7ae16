"""Console output, shared options and error handling of the `./homelab` commands."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich import console as rich
from rich.segment import Segment
from rich.text import Text

from operations.http import FetchError
from operations.kubectl import KubectlError
from operations.pulumi_stack import StackError
from operations.snapshot_catalog import SnapshotError
from provider.errors import TaskError
from provider.printable import printable
from stacks.settings import SettingsError

EXIT_INTERRUPTED = 130


class Console(rich.Console):
    """Prints untrusted text, such as the output of machines, without markup and without terminal control codes."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False} | how)

    def render_str(self, text: str, **how: Any) -> Text:
        """Convert a string to a `Text` of the library rich that contains only printable characters."""
        return super().render_str(printable(text), **how)

    def render(self, renderable: rich.RenderableType, options: rich.ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable of the library rich, with only printable characters."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


console = Console()
stderr = Console(stderr=True)
_STARTED = time.monotonic()

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def say(message: str) -> None:
    """Print the elapsed seconds and a progress message to standard error."""
    stderr.print(f"{time.monotonic() - _STARTED:6.1f} s  {message}", markup=False, soft_wrap=True)


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an expected error of a `./homelab` command to standard error, and exit with code 1, or 130 after Ctrl-C."""
    try:
        yield
    except (FetchError, KubectlError, SettingsError, SnapshotError, StackError, TaskError) as error:
        stderr.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        stderr.print(
            "Interrupted: scripts that already run on machines continue. To resume, run the same command again."
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
