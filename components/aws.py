"""Access to Amazon's services."""

from collections.abc import Iterator

from components.layer import Finding
from components.model import SecretRef


def problems(access_key: SecretRef | None, secret_key: SecretRef | None, *place: str) -> Iterator[Finding]:
    """Yield that one half of a key is given without the other; `place` is that of both."""
    if (access_key is None) is not (secret_key is None):
        reason = "has one of accessKey and secretKey without the other"
        yield place, reason, "give both, or neither where the machines have rights of their own"
