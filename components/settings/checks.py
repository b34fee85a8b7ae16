"""Checks that settings of several models share."""

from components.settings.errors import Findings, SettingPath
from components.settings.model import Model, camel_case


def exactly_one(path: SettingPath, settings: Model, *fields: str) -> Findings:
    """Yield an error unless exactly one of the fields is set. `path` is the path of `settings`."""
    if [bool(getattr(settings, field)) for field in fields].count(True) != 1:
        *others, last = map(camel_case, fields)
        yield path, f"needs exactly one of {', '.join(others)} and {last}", "add one, or keep one of them"
