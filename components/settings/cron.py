"""Validation of cron schedules with five fields or, for CloudNativePG, with six fields (seconds first)."""

import re

from components.settings.errors import setting_error

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
    """Validate a cron schedule with five fields, and return the fields separated by single spaces."""
    if len(value.split()) != len(_FIELDS):
        reason = "does not have the 5 fields of a cron schedule"
        raise setting_error(reason, 'write minute, hour, day, month and weekday, such as "0 */12 * * *"')
    return _validated(value, _FIELDS)


def schedule_with_seconds(value: str) -> str:
    """Validate a cron schedule with six fields (seconds first), and return the fields separated by single spaces."""
    if len(value.split()) != len(_FIELDS) + 1:
        reason = "does not have the 6 fields of a cron schedule with seconds"
        raise setting_error(reason, 'write second, minute, hour, day, month and weekday, such as "0 30 2 * * *"')
    return _validated(value, (("second", 0, 59, []), *_FIELDS))


def longest_interval_days(value: str) -> int:
    """Return the longest possible time in days between two runs of a cron schedule with five fields."""
    _, _, day, month, weekday = value.split()
    if month != "*":
        return 366
    if weekday != "*":
        return 7
    return 31 if day != "*" else 1


def _validated(value: str, fields: _Fields) -> str:
    entries = value.split()
    for entry, (name, low, high, names) in zip(entries, fields, strict=True):
        if not all(_valid(part.lower(), low, high, names) for part in entry.split(",")):
            raise setting_error(
                f"has an invalid {name}",
                f"use *, {low} to {high}, ranges such as {low}-{high}, or steps such as */2",
            )
    return " ".join(entries)


def _valid(part: str, low: int, high: int, names: list[str]) -> bool:
    match = re.fullmatch(r"(?:[*?]|(\w+)(?:-(\w+))?)(?:/([1-9][0-9]*))?", part, re.ASCII)
    if not match:
        return False
    first, last, step = match.groups()
    ends = [end for end in (first, last) if end]
    bounds = [low + names.index(end) if end in names else int(end) if end.isdecimal() else -1 for end in ends]
    return all(low <= bound <= high for bound in bounds) and bounds == sorted(bounds) and int(step or 1) <= high
