"""How much of what machines print is read."""

from collections.abc import AsyncIterator
from typing import Any

from .errors import TaskError

OUTPUT_LIMIT = 4 << 20
"""Characters that a script may print to standard output."""
LINE_LIMIT = 2_000
"""Characters of a line of standard error that are kept."""
BLOCK = 1 << 16


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


async def read_lines(stream: Any) -> AsyncIterator[str]:
    """Yield the lines of a stream, each cut off at `LINE_LIMIT`, however long it is."""
    kept = ""
    while block := await stream.read(BLOCK):
        first, *rest = block.split("\n")
        kept = (kept + first)[:LINE_LIMIT]
        for line in rest:
            yield kept
            kept = line[:LINE_LIMIT]
    if kept:
        yield kept
