"""SSH host keys in the one-line form of public key files."""

import base64
import binascii

from components.wrong import wrong

_FIX = "copy the line of /etc/ssh/ssh_host_ed25519_key.pub on that machine"
_POINT = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
KEY_TYPES = ("ssh-ed25519", *(f"ecdsa-sha2-{curve}" for curve in _POINT), "ssh-rsa")


def host_key(value: str, fix: str = _FIX) -> str:
    """Return `type base64` of a public host key; a comment behind it is dropped."""
    words = value.split()
    if not words or words[0] not in KEY_TYPES:
        raise wrong(f"does not begin with a key type ({', '.join(KEY_TYPES)})", fix)
    if len(words) < 2:
        raise wrong("has no key behind its type", fix)
    try:
        parts = _parts(base64.b64decode(words[1], validate=True))
    except (binascii.Error, ValueError):
        raise wrong("is cut off or not base64", fix) from None
    if not parts or parts[0] != words[0].encode():
        raise wrong("holds a key of another type than it says", fix)
    if not _whole(words[0], parts[1:]):
        raise wrong(f"is not a usable {words[0]} key", fix)
    return f"{words[0]} {words[1]}"


def authority_key(value: str) -> str:
    """Return `type base64` of the public key of an authority."""
    return host_key(value, "copy the authority's public key for host certificates, one line")


def _parts(data: bytes) -> list[bytes]:
    """Split SSH's wire format: each part is its length in four bytes, then its bytes."""
    parts = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError
        parts.append(data[4 : 4 + size])
        data = data[4 + size :]
    return parts


def _whole(kind: str, parts: list[bytes]) -> bool:
    if kind == "ssh-ed25519":
        return [len(part) for part in parts] == [32]
    if kind == "ssh-rsa":
        return len(parts) == 2 and int.from_bytes(parts[1], "big").bit_length() >= 2048
    curve = kind.removeprefix("ecdsa-sha2-")
    return len(parts) == 2 and parts[0] == curve.encode() and len(parts[1]) == _POINT[curve] and parts[1][0] == 4
