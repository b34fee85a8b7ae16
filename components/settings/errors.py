"""Errors in settings."""

from collections.abc import Iterator

from pydantic_core import PydanticCustomError

SettingPath = tuple[str | int, ...]
"""Path of a setting, such as `("nodes", 1, "hostKey")`."""
Finding = tuple[SettingPath, str, str]
"""An error in the settings: the path below the checked section, layer or node, the reason, and the fix."""
Findings = Iterator[Finding]


def setting_error(reason: str, fix: str) -> PydanticCustomError:
    """Create a validation error.

    The message contains the path of the setting, `reason` and `fix`. `reason` and `fix` must not contain secrets.
    """
    return PydanticCustomError("homelab", "{reason}; {fix}", {"reason": reason, "fix": fix})
