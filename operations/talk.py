"""How commands talk: where they print, what they share, and how they end when something is wrong."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console

from operations.https import FetchError
from operations.snapshots import SnapshotError
from operations.stack import StackError
from provider.errors import TaskError
from stacks.settings import SettingsError

INTERRUPTED = 130

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
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
