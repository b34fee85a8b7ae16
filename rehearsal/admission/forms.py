"""Forms of text that several systems take."""

import calendar
import re

CRON = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Least and greatest number of each field: minute, hour, day, month, weekday."""
_NAMES = [each.lower() for each in (*calendar.month_abbr[1:], *calendar.day_abbr)]


def is_cron(text: str) -> bool:
    """Whether it is a cron schedule of five fields; @daily and the like are."""
    if re.fullmatch(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \d+[hms]", text):
        return True
    fields = text.split()
    return len(fields) == len(CRON) and all(map(_is_field, fields, CRON))


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
