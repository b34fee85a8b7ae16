"""Renders untrusted text for Markdown on GitHub as code, because GitHub interprets nothing inside code.

Elsewhere, even in escaped text, GitHub notifies `@name`, links `#1` and URLs, and renders HTML.
"""

import re
from collections.abc import Iterable, Iterator

from provider.printable import printable

SPAN = 300
"""Maximum length of inline code, in characters."""
MORE = "… truncated: see the log."


def code(text: str) -> str:
    """Render a text as inline code that is safe in a table cell."""
    line = " ".join(printable(text[: SPAN * 10]).split()) or "?"
    shown = line if len(line) <= SPAN else f"{line[:SPAN]}…"
    fence = "`" * (_longest_fence(shown) + 1)
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def block(text: str, most: int = 20_000) -> str:
    """Render a text as a code block of at most `most` characters."""
    shown = printable(text[: most * 2])
    shown = shown if len(shown) <= most else f"{shown[:most]}\n{MORE}"
    fence = "`" * max(3, _longest_fence(shown) + 1)
    return f"{fence}\n{shown}\n{fence}"


def fitting(lines: Iterable[str], most: int) -> Iterator[str]:
    """Yield lines up to `most` characters in total, then a note if lines were cut."""
    remaining = most
    for line in lines:
        remaining -= len(line) + 1
        if remaining < 0:
            yield from ("", MORE)
            return
        yield line


def _longest_fence(text: str) -> int:
    """Return the length of the longest run of backticks."""
    return max(map(len, re.findall("`+", text)), default=0)
