"""How a check says what is wrong with a value."""

from pydantic_core import PydanticCustomError


def wrong(reason: str, fix: str) -> PydanticCustomError:
    """Make a value's error: `reason` follows the field's path, `fix` is what to do. No secrets in either."""
    return PydanticCustomError("homelab", "{reason}; {fix}", {"reason": reason, "fix": fix})
