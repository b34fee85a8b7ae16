"""Cron schedules: minute, hour, day of month, month, day of week; CloudNativePG has seconds before them."""

import re

from components.wrong import wrong

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_Fields = tuple[tuple[str, int, int, list[str]], ...]
_FIELDS: _Fields = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of the month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)


def schedule(value: str) -> str:
    """Return the schedule with single spaces between its five fields."""
    if len(value.split()) != len(_FIELDS):
        reason = "does not have the 5 fields of a cron schedule"
        raise wrong(reason, 'write minute, hour, day, month and weekday, such as "0 */12 * * *"')
    return _checked(value, _FIELDS)


def with_seconds(value: str) -> str:
    """Return the schedule with single spaces between its six fields."""
    if len(value.split()) != len(_FIELDS) + 1:
        reason = "does not have the 6 fields of a cron schedule with seconds"
        raise wrong(reason, 'write second, minute, hour, day, month and weekday, such as "0 30 2 * * *"')
    return _checked(value, (("second", 0, 59, []), *_FIELDS))


def days(value: str) -> int:
    """Return within how many days a schedule of five fields comes at least once."""
    _, _, day, month, weekday = value.split()
    if month != "*":
        return 366
    if weekday != "*":
        return 7
    return 31 if day != "*" else 1


def _checked(value: str, fields: _Fields) -> str:
    entries = value.split()
    for entry, (name, low, high, names) in zip(entries, fields, strict=True):
        if not all(_valid(part.lower(), low, high, names) for part in entry.split(",")):
            raise wrong(
                f"has a wrong {name}",
                f"use *, {low} to {high}, ranges such as {low}-{high}, or steps such as */2",
            )
    return " ".join(entries)


def _valid(part: str, low: int, high: int, names: list[str]) -> bool:
    found = re.fullmatch(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]*))?", part, re.ASCII)
    if not found:
        return False
    first, last, step = found.groups()
    bounds = [low + names.index(at) if at in names else int(at) if at.isdecimal() else -1 for at in (first, last) if at]
    return all(low <= at <= high for at in bounds) and bounds == sorted(bounds) and int(step or 1) <= high
