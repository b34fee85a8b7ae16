"""Functions that check text formats, for the validation rules of simulated webhooks."""

import calendar
import re

CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minimum and maximum of each field in a cron schedule: minute, hour, day, month, weekday."""
_NAMES = [name.lower() for name in (*calendar.month_abbr[1:], *calendar.day_abbr)]


def is_cron(text: str) -> bool:
    """Return whether the text is a cron schedule: five fields, or a macro such as @daily."""
    if re.fullmatch(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly)|@every \d+[hms]", text):
        return True
    fields = text.split()
    return len(fields) == len(CRON_RANGES) and all(map(_is_field, fields, CRON_RANGES))


def _is_field(text: str, bounds: tuple[int, int]) -> bool:
    return all(_is_part(part, bounds) for part in text.lower().split(","))


def _is_part(text: str, bounds: tuple[int, int]) -> bool:
    match = re.fullmatch(r"(\*|\?|(\w+)(-(\w+))?)(/(\d+))?", text)
    if not match or match[6] == "0":
        return False
    limits = [limit for limit in (match[2], match[4]) if limit is not None]
    if not all(limit.isdigit() or limit in _NAMES for limit in limits):
        return False
    numbers = [int(limit) for limit in limits if limit.isdigit()]
    return all(bounds[0] <= number <= bounds[1] for number in numbers) and numbers == sorted(numbers)
