"""What Nomad's parts, and the keeper of the lab, prove themselves with: all made out of the layer's random bytes."""

import base64
import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from components.authority import Authority, Issued, Subject
from components.manifest import Made
from components.model import SecretRef

Proof = SecretRef | Made


@dataclass(frozen=True)
class Access:
    """What gets a person into Nomad: the token that may do everything, and the way through TLS."""

    token: Proof
    authority: Proof
    certificate: Proof
    key: Proof


def issued(subject: Subject) -> tuple[Made, Made, Made]:
    """The authority's certificate, this year's certificate of `subject`, and its key."""
    year = datetime.now(UTC).year

    def made(part: Callable[[Issued], str]) -> Made:
        return Made(lambda salt: part(_authority(salt).issue(subject, year)))

    own = Made(lambda salt: _authority(salt).certificate)
    return own, made(lambda found: found.certificate), made(lambda found: found.key)


def _authority(salt: str) -> Authority:
    return Authority(salt, "Nomad of the lab")


def _digest(salt: str, what: bytes) -> bytes:
    return hmac.digest(bytes.fromhex(salt), what, "sha256")


GOSSIP = Made(lambda salt: base64.b64encode(_digest(salt, b"gossip")).decode())
"""The key that servers encrypt gossip with: 32 bytes."""
TOKEN = Made(lambda salt: str(uuid.UUID(bytes=_digest(salt, b"token")[:16], version=4)))
"""The first token of Nomad's ACLs, which must be a UUID."""
