"""Validation of X.509 certificates, which the stack file contains as one line of base64-encoded PEM."""

import base64
import binascii
import ssl

from components.settings.errors import setting_error

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_RSA = bytes.fromhex("2a864886f70d010101")


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
    """Whether the first certificate in `value` has an RSA key.

    The DER encoding of each RSA key contains the object identifier of RSA.
    """
    first = decode_pem(value).partition(_END)[0].partition(_BEGIN)[2]
    return _RSA in base64.b64decode(first)


def decode_pem(value: str) -> str:
    """Return the PEM certificates from the base64-encoded text `value`."""
    return base64.b64decode(value).decode("ascii")
