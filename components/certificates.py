"""Certificates of authorities, as one line."""

import base64
import binascii
import ssl

from components.wrong import wrong


def encoded(value: str) -> str:
    """Return base64 of PEM certificates, or raise what is wrong with it."""
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError, ValueError):
        raise wrong("is not a certificate in one line", "write what `base64 -w0 ca.pem` prints") from None
    return value
