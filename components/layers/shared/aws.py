"""Validation of AWS access keys."""

from collections.abc import Iterator

from components.settings.errors import Finding
from components.settings.model import SecretRef


def findings(access_key: SecretRef | None, secret_key: SecretRef | None, *path: str) -> Iterator[Finding]:
    """Yield an error if the AWS settings contain only one half of the access key: its ID or its secret.

    `path` is the path of the AWS settings in the stack file.
    """
    if (access_key is None) is not (secret_key is None):
        reason = "needs both accessKey and secretKey, or neither"
        yield path, reason, "set both keys, or remove both keys to use the machines' instance role"
