"""Validation errors of single settings."""

from pydantic_core import PydanticCustomError


def setting_error(reason: str, fix: str) -> PydanticCustomError:
    """Create a validation error. `reason` follows the field's path, `fix` says what to do. Neither shows secrets."""
    return PydanticCustomError("homelab", "{reason}; {fix}", {"reason": reason, "fix": fix})
