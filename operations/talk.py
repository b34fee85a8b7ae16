"""How commands talk: where they print, what they share, and how they end when something is wrong."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich import console as rich
from rich.segment import Segment
from rich.text import Text

from operations.https import FetchError
from operations.snapshots import SnapshotError
from operations.stack import StackError
from provider.errors import TaskError
from provider.printable import printable
from stacks.settings import SettingsError

INTERRUPTED = 130


class Console(rich.Console):
    """What commands print by. Much of it is text of machines: nothing in it is markup, or obeyed by the terminal."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False} | how)

    def render_str(self, text: str, **how: Any) -> Text:
        """Make a text of a string."""
        return super().render_str(printable(text), **how)

    def render(self, renderable: rich.RenderableType, options: rich.ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield what is printed, of tables and texts as well."""
        for each in super().render(renderable, options):
            yield each if each.control else each._replace(text=printable(each.text))


console = Console()
errors = Console(stderr=True)
_began = time.monotonic()

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def say(message: str) -> None:
    """Report what is being done."""
    errors.print(f"{time.monotonic() - _began:6.1f} s  {message}", markup=False, soft_wrap=True)


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what is wrong into a message and an exit code."""
    try:
        yield
    except (FetchError, SettingsError, SnapshotError, StackError, TaskError) as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted; what runs on a machine goes on to its end. Run the command again to go on.")
        raise typer.Exit(INTERRUPTED) from None
