"""Read the output of scripts with limits on its size."""

from collections.abc import AsyncIterator
from typing import Any

from provider.errors import TaskError

OUTPUT_LIMIT = 4 << 20
"""Maximum number of characters that a script may print to standard output."""
LINE_LIMIT = 2_000
"""Maximum length of a line of standard error; the rest of the line is dropped."""
BLOCK = 1 << 16


async def read_output(stream: Any) -> str:
    """Read a script's standard output to its end. Raises TaskError if it exceeds `OUTPUT_LIMIT`."""
    blocks: list[str] = []
    size = 0
    while block := await stream.read(BLOCK):
        size += len(block)
        if size > OUTPUT_LIMIT:
            raise TaskError(f"the script printed more than {OUTPUT_LIMIT >> 20} MiB")
        blocks.append(block)
    return "".join(blocks)


async def read_lines(stream: Any) -> AsyncIterator[str]:
    """Yield the lines of a stream, each truncated to `LINE_LIMIT` characters."""
    current = ""
    while block := await stream.read(BLOCK):
        first, *rest = block.split("\n")
        current = (current + first)[:LINE_LIMIT]
        for line in rest:
            yield current
            current = line[:LINE_LIMIT]
    if current:
        yield current
