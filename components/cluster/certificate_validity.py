"""Validity period of a certificate."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509


@dataclass(frozen=True)
class Validity:
    """Start and end of a certificate's validity."""

    begins: datetime
    ends: datetime

    @classmethod
    def of(cls, user: Mapping[str, str]) -> "Validity":
        """Read the validity of the client certificate in a kubeconfig's user entry."""
        certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
        return cls(certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    @property
    def left(self) -> timedelta:
        """Remaining validity, negative after the end."""
        return self.ends - datetime.now(UTC)

    @property
    def over(self) -> bool:
        """Whether the certificate has expired."""
        return self.left <= timedelta()

    @property
    def due(self) -> bool:
        """Whether `pulumi up` renews the certificate, which it does in the last quarter of its validity."""
        return self.left <= (self.ends - self.begins) / 4

    @property
    def end(self) -> str:
        """End of the validity as text for messages, in UTC."""
        return f"{self.ends:%Y-%m-%d %H:%M} UTC"
