"""Validation of SSH public keys, which have one line as in .pub files."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from components.settings.errors import setting_error

_FIX = "copy the line in /etc/ssh/ssh_host_ed25519_key.pub on the machine"
_MIN_RSA_BITS = 2048
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


def host_key(value: str, fix: str = _FIX) -> str:
    """Validate a public SSH host key, and return it as `TYPE BASE64` without the comment."""
    words = value.split()
    if not words or words[0] not in KEY_TYPES:
        raise setting_error(f"does not start with a key type ({', '.join(KEY_TYPES)})", fix)
    if len(words) < 2:
        raise setting_error("has no key after its type", fix)
    try:
        key = load_ssh_public_key(" ".join(words[:2]).encode())
    except (ValueError, UnsupportedAlgorithm):
        raise setting_error(f"is not a valid {words[0]} key", fix) from None
    if isinstance(key, RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise setting_error(f"is an RSA key of fewer than {_MIN_RSA_BITS} bits", fix)
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def ca_public_key(value: str) -> str:
    """Validate the public key of an SSH CA, and return it as `TYPE BASE64` without the comment."""
    return host_key(value, "copy the one-line public key of the SSH CA that signs your host certificates")
