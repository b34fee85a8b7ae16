"""Text that others wrote, in Markdown on GitHub: code is the one place where it is only shown.

Elsewhere `@name` calls people, `#1` and URLs become links, and HTML is HTML, whatever is escaped.
"""

import re
from collections.abc import Iterable, Iterator

from provider.printable import printable

SPAN = 300
"""Characters of a text within a line."""
MORE = "… and more: see the log."


def code(text: str) -> str:
    """Show a text within a line; it fits into a table's cell as well."""
    line = " ".join(printable(text[: SPAN * 10]).split()) or "?"
    shown = line if len(line) <= SPAN else f"{line[:SPAN]}…"
    fence = "`" * (_longest(shown) + 1)
    space = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def block(text: str, most: int = 20_000) -> str:
    """Show a text of several lines, in so many characters."""
    shown = printable(text[: most * 2])
    shown = shown if len(shown) <= most else f"{shown[:most]}\n{MORE}"
    fence = "`" * max(3, _longest(shown) + 1)
    return f"{fence}\n{shown}\n{fence}"


def fitting(lines: Iterable[str], most: int) -> Iterator[str]:
    """Yield lines as long as they have so many characters together, and say if there are more."""
    left = most
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            yield from ("", MORE)
            return
        yield line


def _longest(text: str) -> int:
    """How many backticks stand side by side at most."""
    return max(map(len, re.findall("`+", text)), default=0)
