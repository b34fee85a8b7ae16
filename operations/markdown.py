"""Renders untrusted text as Markdown code, because GitHub does not interpret text inside code.

Outside of Markdown code, GitHub notifies the user of `@name`, links `#1` and URLs, and renders HTML, even if the text
is escaped.
"""

import re
from collections.abc import Iterable, Iterator

from provider.printable import printable

MAX_CODE_LENGTH = 300
"""Maximum length of inline code, in characters."""
TRUNCATED = "… truncated: see the log."


def inline_code(text: str) -> str:
    """Render `text` as inline code that is safe in a Markdown table cell."""
    line = " ".join(printable(text[: MAX_CODE_LENGTH * 10]).split()) or "?"
    shown = line if len(line) <= MAX_CODE_LENGTH else f"{line[:MAX_CODE_LENGTH]}…"
    fence = "`" * (_longest_fence(shown) + 1)
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def code_block(text: str, max_length: int = 20_000) -> str:
    """Render `text` as a code block of at most `max_length` characters."""
    shown = printable(text[: max_length * 2])
    shown = shown if len(shown) <= max_length else f"{shown[:max_length]}\n{TRUNCATED}"
    fence = "`" * max(3, _longest_fence(shown) + 1)
    return f"{fence}\n{shown}\n{fence}"


def truncate_lines(lines: Iterable[str], max_length: int) -> Iterator[str]:
    """Yield lines up to `max_length` characters in total; if lines remain, yield a note that the text is truncated."""
    remaining = max_length
    for line in lines:
        remaining -= len(line) + 1
        if remaining < 0:
            yield from ("", TRUNCATED)
            return
        yield line


def _longest_fence(text: str) -> int:
    """Return the length of the longest run of backticks in `text`."""
    return max(map(len, re.findall("`+", text)), default=0)
