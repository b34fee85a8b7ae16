"""Validation of AWS access keys."""

from collections.abc import Iterator

from components.settings.errors import Finding
from components.settings.model import SecretRef


def findings(access_key: SecretRef | None, secret_key: SecretRef | None, *path: str) -> Iterator[Finding]:
    """Yield a problem at `path` if only one half of an access key is set there."""
    if (access_key is None) is not (secret_key is None):
        reason = "needs both accessKey and secretKey, or neither"
        yield path, reason, "set both, or remove both to use the machines' instance role"
