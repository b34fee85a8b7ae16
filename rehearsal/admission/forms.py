"""Forms of text that several systems take."""

import calendar
import re

CRON = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Least and greatest number of each field: minute, hour, day, month, weekday."""
_NAMES = [each.lower() for each in (*calendar.month_abbr[1:], *calendar.day_abbr)]
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12} | {
    f"{unit}i": 1 << power for unit, power in (("K", 10), ("M", 20), ("G", 30), ("T", 40))
}


def is_cron(text: str, *, seconds: bool = False) -> bool:
    """Whether it is a cron schedule, of five fields or, with `seconds`, of six; @daily and the like are."""
    if re.fullmatch(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \d+[hms]", text):
        return True
    fields, ranges = text.split(), ((0, 59), *CRON) if seconds else CRON
    return len(fields) == len(ranges) and all(map(_is_field, fields, ranges))


def _is_field(text: str, bounds: tuple[int, int]) -> bool:
    return all(_is_part(part, bounds) for part in text.lower().split(","))


def _is_part(text: str, bounds: tuple[int, int]) -> bool:
    found = re.fullmatch(r"(\*|\?|(\w+)(-(\w+))?)(/(\d+))?", text)
    if not found or found[6] == "0":
        return False
    numbers = [each for each in (found[2], found[4]) if each is not None]
    if not all(each.isdigit() or each in _NAMES for each in numbers):
        return False
    values = [int(each) for each in numbers if each.isdigit()]
    return all(bounds[0] <= each <= bounds[1] for each in values) and values == sorted(values)


def size(text: str) -> float | None:
    """Bytes of a quantity such as 10Gi; None if it is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([kMGT]|[KMGT]i)?", str(text))
    return float(found[1]) * _SIZES[found[2] or ""] if found else None
