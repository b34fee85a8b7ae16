"""Credentials of Nomad and its administrator, which homelab derives from a random secret of the layer nomad."""

import base64
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from components.kubernetes.manifest import ComputedSecret
from components.layers.shared.certificate_authority import CertificateAuthority, IssuedCertificate, Subject
from components.settings.model import SecretRef

Credential = SecretRef | ComputedSecret


@dataclass(frozen=True)
class NomadAccess:
    """Administrator's access to Nomad: the management token, and a TLS client certificate with its CA."""

    token: Credential
    ca: Credential
    certificate: Credential
    key: Credential


def tls_credentials(subject: Subject) -> tuple[ComputedSecret, ComputedSecret, ComputedSecret]:
    """Return Nomad's CA certificate, and this year's certificate and private key for `subject`."""
    year = datetime.now(UTC).year

    def derived(read: Callable[[IssuedCertificate], str]) -> ComputedSecret:
        return ComputedSecret(lambda salt: read(_ca(salt).issue(subject, year)))

    ca = ComputedSecret(lambda salt: _ca(salt).certificate)
    return ca, derived(lambda leaf: leaf.certificate), derived(lambda leaf: leaf.key)


def _ca(salt: str) -> CertificateAuthority:
    return CertificateAuthority(salt, "Nomad of the lab")


def _digest(salt: str, purpose: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(salt), purpose, "sha256")


GOSSIP_KEY = ComputedSecret(lambda salt: base64.b64encode(_digest(salt, b"gossip")).decode())
"""Key with which Nomad servers encrypt gossip traffic: 32 bytes in Base64."""
MANAGEMENT_TOKEN = ComputedSecret(lambda salt: str(uuid.UUID(bytes=_digest(salt, b"token")[:16], version=4)))
"""Bootstrap token of Nomad's ACL system, which must be a UUID."""
