"""Validation of X.509 certificates, which the stack file contains as one line of base64-encoded PEM."""

import base64
import binascii
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from components.settings.errors import setting_error


def base64_pem(value: str) -> str:
    """Validate that `value` contains certificates as base64-encoded PEM, and return `value` unchanged."""
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        raise setting_error(
            "is not a base64-encoded PEM certificate", "write what `base64 -w0 ca.pem` prints"
        ) from None
    return value


def is_rsa(value: str) -> bool:
    """Whether the first certificate in `value` has an RSA key."""
    return isinstance(x509.load_pem_x509_certificate(base64.b64decode(value)).public_key(), RSAPublicKey)


def decode_pem(value: str) -> str:
    """Return the PEM certificates from the base64-encoded text `value`."""
    return base64.b64decode(value).decode("ascii")
