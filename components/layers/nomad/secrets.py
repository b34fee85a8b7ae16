"""Credentials of Nomad and its administrator, all derived from the layer's random bytes."""

import base64
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from components.kubernetes.manifest import Made
from components.layers.shared.certificate_authority import Authority, Issued, Subject
from components.settings.model import SecretRef

Proof = SecretRef | Made


@dataclass(frozen=True)
class Access:
    """An administrator's access to Nomad: the management token, and the TLS client certificate with its CA."""

    token: Proof
    authority: Proof
    certificate: Proof
    key: Proof


def issued(subject: Subject) -> tuple[Made, Made, Made]:
    """Return the CA certificate, and this year's certificate and private key of `subject`."""
    year = datetime.now(UTC).year

    def derived(read: Callable[[Issued], str]) -> Made:
        return Made(lambda salt: read(_authority(salt).issue(subject, year)))

    ca = Made(lambda salt: _authority(salt).certificate)
    return ca, derived(lambda leaf: leaf.certificate), derived(lambda leaf: leaf.key)


def _authority(salt: str) -> Authority:
    return Authority(salt, "Nomad of the lab")


def _digest(salt: str, purpose: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(salt), purpose, "sha256")


GOSSIP = Made(lambda salt: base64.b64encode(_digest(salt, b"gossip")).decode())
"""Key with which the servers encrypt gossip: 32 bytes in Base64."""
TOKEN = Made(lambda salt: str(uuid.UUID(bytes=_digest(salt, b"token")[:16], version=4)))
"""Bootstrap token of Nomad's ACL system, which must be a UUID."""
