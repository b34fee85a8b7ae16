"""How long a certificate is good for."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509


@dataclass(frozen=True)
class Validity:
    """When it begins and ends."""

    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, user: Mapping[str, str]) -> "Validity":
        """Read that of a user's entry in a kubeconfig."""
        found = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
        return cls(found.not_valid_before_utc, found.not_valid_after_utc)

    @property
    def left(self) -> timedelta:
        """How long it is still good for; negative after its end."""
        return self.ends - datetime.now(UTC)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.left <= timedelta()

    @property
    def due(self) -> bool:
        """Whether `pulumi up` renews it: in the last quarter of its time."""
        return self.left <= (self.ends - self.begins) / 4

    @property
    def end(self) -> str:
        """When it ends, as people are told it."""
        return f"{self.ends:%Y-%m-%d %H:%M} UTC"
