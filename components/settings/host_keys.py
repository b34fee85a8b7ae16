"""Validation of SSH public keys, which have one line as in .pub files."""

import base64
import binascii

from components.settings.errors import setting_error

_FIX = "copy the line in /etc/ssh/ssh_host_ed25519_key.pub on the machine"
_POINT_BYTES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
KEY_TYPES = ("ssh-ed25519", *(f"ecdsa-sha2-{curve}" for curve in _POINT_BYTES), "ssh-rsa")


def host_key(value: str, fix: str = _FIX) -> str:
    """Validate a public SSH host key, and return it as `TYPE BASE64` without the comment."""
    words = value.split()
    if not words or words[0] not in KEY_TYPES:
        raise setting_error(f"does not start with a key type ({', '.join(KEY_TYPES)})", fix)
    if len(words) < 2:
        raise setting_error("has no key after its type", fix)
    try:
        parts = _parts(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError):
        raise setting_error("is truncated or not base64", fix) from None
    if not parts or parts[0] != words[0].encode():
        raise setting_error("contains a key of another type than the first word states", fix)
    if not _is_complete(words[0], parts[1:]):
        raise setting_error(f"is not a usable {words[0]} key", fix)
    return f"{words[0]} {words[1]}"


def ca_public_key(value: str) -> str:
    """Validate the public key of an SSH CA, and return it as `TYPE BASE64` without the comment."""
    return host_key(value, "copy the one-line public key of the SSH CA that signs your host certificates")


def _parts(data: bytes) -> list[bytes]:
    """Split data in the wire format of SSH into its parts.

    Four bytes before each part contain the length of the part.
    """
    parts = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts


def _is_complete(kind: str, parts: list[bytes]) -> bool:
    if kind == "ssh-ed25519":
        return [len(part) for part in parts] == [32]
    if kind == "ssh-rsa":
        return len(parts) == 2 and int.from_bytes(parts[1], "big").bit_length() >= 2048
    curve = kind.removeprefix("ecdsa-sha2-")
    return len(parts) == 2 and parts[0] == curve.encode() and len(parts[1]) == _POINT_BYTES[curve] and parts[1][0] == 4
