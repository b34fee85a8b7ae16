"""Validation of AWS access keys."""

from collections.abc import Iterator

from components.settings.errors import Finding
from components.settings.model import SecretRef


def findings(access_key: SecretRef | None, secret_key: SecretRef | None, *path: str) -> Iterator[Finding]:
    """Yield an error if only one of access key ID and secret key is set. `path` is the path of the AWS settings."""
    if (access_key is None) is not (secret_key is None):
        reason = "needs both accessKey and secretKey, or neither"
        yield path, reason, "set both keys, or remove both keys to use the machines' instance role"
