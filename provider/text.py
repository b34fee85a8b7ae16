"""Text that machines print: how much of it is read, and what of it may reach a terminal or a log."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

from .errors import TaskError

OUTPUT_LIMIT = 4 << 20
"""Characters that a script may print to standard output."""
LINE_LIMIT = 2_000
"""Characters of a line of standard error that are kept."""
BLOCK = 1 << 16

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Remove terminal escapes, control characters and marks of direction; newlines and tabs stay."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


async def read_output(stream: Any) -> str:
    """Read a script's whole standard output. Raises TaskError if it exceeds `OUTPUT_LIMIT`."""
    blocks: list[str] = []
    size = 0
    while block := await stream.read(BLOCK):
        size += len(block)
        if size > OUTPUT_LIMIT:
            raise TaskError(f"it printed more than {OUTPUT_LIMIT >> 20} MiB")
        blocks.append(block)
    return "".join(blocks)


async def read_lines(stream: Any, clean: Callable[[str], str] = printable) -> AsyncIterator[str]:
    """Yield the lines of a stream, each cut off at `LINE_LIMIT`, however long it is."""
    kept = ""
    while block := await stream.read(BLOCK):
        first, *rest = block.split("\n")
        kept = (kept + first)[:LINE_LIMIT]
        for line in rest:
            yield clean(kept)
            kept = line[:LINE_LIMIT]
    if kept:
        yield clean(kept)
