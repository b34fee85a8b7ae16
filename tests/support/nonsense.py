"""Nonsense in the place of every value of a configuration, and what a report on it must be like."""

import re
from collections.abc import Callable, Iterator
from typing import Any

SECRET = "correct-horse-battery-staple"
_NONSENSE: tuple[object, ...] = (
    None, -5, 1.5, True, SECRET, "\x1b", [], ["", None], {}, {"a": 1}, {"secret": SECRET},
)  # fmt: skip
Report = Callable[[Any], list[str]]
"""The report on a configuration, empty if it is accepted."""


def check_reports_on_nonsense(config: Any, report: Report) -> None:
    """Put nonsense in the place of each value: each line of each report names path, reason and fix, and no value."""
    reports = [report(_with_value(config, at, value)) for at in _places(config) for value in _NONSENSE]
    lines = [line for found in reports for line in found]
    assert len(lines) > len(reports) / 2
    assert all(re.fullmatch(r"homelab:[^;]+: [^;]+; .+", line) for line in lines)
    assert not any(SECRET in line for line in lines)


def _places(tree: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of each value in a configuration."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inner:
        yield (*at, key)
        yield from _places(value, (*at, key))


def _with_value(tree: Any, at: tuple[str | int, ...], value: object) -> Any:
    """Return a copy of a configuration with another value at one path."""
    if not at:
        return value
    changed: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    changed[at[0]] = _with_value(tree[at[0]], at[1:], value)
    return changed
