"""Validity period of X.509 certificates, such as the client certificates in kubeconfigs."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509


@dataclass(frozen=True)
class Validity:
    """Start and end of a certificate's validity period."""

    begins: datetime
    ends: datetime

    @classmethod
    def of_kubeconfig_user(cls, user: Mapping[str, str]) -> "Validity":
        """Read the validity period of the client certificate in a kubeconfig's `user` entry."""
        certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
        return cls(certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    @property
    def remaining(self) -> timedelta:
        """Time until the certificate expires; negative if the certificate has already expired."""
        return self.ends - datetime.now(UTC)

    @property
    def is_expired(self) -> bool:
        """Whether the certificate has expired."""
        return self.remaining <= timedelta()

    @property
    def needs_renewal(self) -> bool:
        """Whether the certificate is in the last quarter of its validity period.

        `pulumi up` renews a certificate in the last quarter of its validity period.
        """
        return self.remaining <= (self.ends - self.begins) / 4

    @property
    def end_text(self) -> str:
        """Expiry time of the certificate as text for messages, in UTC."""
        return f"{self.ends:%Y-%m-%d %H:%M} UTC"
