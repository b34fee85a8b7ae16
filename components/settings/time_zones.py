"""Validation of time zones by the names of the time zone database."""

import re
from collections.abc import Collection
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from components.settings.errors import setting_error

TIME_ZONE_PATTERN = "(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]*)+)"
_FIX = "write it like Europe/Berlin or UTC"


def time_zone(value: str) -> str:
    """Validate the name of a time zone, and return the name unchanged."""
    if not re.fullmatch(TIME_ZONE_PATTERN, value, re.ASCII):
        raise setting_error("is not a time zone", _FIX)
    known = _known_names()
    if value not in known:
        near = get_close_matches(value, known, n=1)
        raise setting_error("is not in the time zone database", f"did you mean {near[0]}?" if near else _FIX)
    return value


@cache
def _known_names() -> Collection[str]:
    """Return the names in the time zone databases of this computer and of the Python package tzdata."""
    return available_timezones()
