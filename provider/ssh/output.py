"""Read the output of scripts, up to a maximum size."""

from collections.abc import AsyncIterator
from typing import Any

from provider.errors import TaskError

MAX_OUTPUT_CHARS = 4 << 20
"""Maximum number of characters that a script may print to standard output."""
MAX_LINE_CHARS = 2_000
"""Maximum length of a line of standard error; the rest of the line is dropped."""
BLOCK_CHARS = 1 << 16


async def read_output(stream: Any) -> str:
    """Read a script's whole standard output. Raises TaskError if the output exceeds `MAX_OUTPUT_CHARS`."""
    blocks: list[str] = []
    size = 0
    while block := await stream.read(BLOCK_CHARS):
        size += len(block)
        if size > MAX_OUTPUT_CHARS:
            raise TaskError(f"the script printed more than {MAX_OUTPUT_CHARS >> 20} MiB")
        blocks.append(block)
    return "".join(blocks)


async def read_lines(stream: Any) -> AsyncIterator[str]:
    """Yield the lines of a stream, each truncated to `MAX_LINE_CHARS` characters."""
    current = ""
    while block := await stream.read(BLOCK_CHARS):
        first, *rest = block.split("\n")
        current = (current + first)[:MAX_LINE_CHARS]
        for line in rest:
            yield current
            current = line[:MAX_LINE_CHARS]
    if current:
        yield current
