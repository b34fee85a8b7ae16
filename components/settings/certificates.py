"""Validation of X.509 certificates, which the stack file contains as one line of base64-encoded PEM."""

import base64
import binascii
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

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


def issuing_ca(value: str) -> str:
    """Validate a chain from a CA that may sign other CAs to a root CA, and return `value` unchanged."""
    base64_pem(value)
    if "PRIVATE KEY" in decode_pem(value):
        raise setting_error("contains a private key", "remove the key, and store it as a secret: privateKey")
    chain = x509.load_pem_x509_certificates(base64.b64decode(value))
    certificate = chain[0]
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        raise setting_error("is not the certificate of a CA", "write the certificate of the CA first")
    if constraints.path_length == 0:
        raise setting_error(
            "may not sign other CAs: its path length is 0", "use a CA whose path length is at least 1, or has no limit"
        )
    issuers = [each.subject for each in (*chain[1:], chain[-1])]
    if [each.issuer for each in chain] != issuers:
        reason = "is not a chain up to a self-signed root CA"
        raise setting_error(reason, "append the certificate of the CA that signed it, and so on up to the root CA")
    return value


def fingerprint(value: str) -> str:
    """Return the SHA-256 fingerprint of the first certificate in `value`, in hexadecimal digits."""
    return x509.load_pem_x509_certificate(base64.b64decode(value)).fingerprint(SHA256()).hex()


def is_rsa(value: str) -> bool:
    """Whether the first certificate in `value` has an RSA key."""
    return isinstance(x509.load_pem_x509_certificate(base64.b64decode(value)).public_key(), RSAPublicKey)


def decode_pem(value: str) -> str:
    """Return the PEM certificates from the base64-encoded text `value`."""
    return base64.b64decode(value).decode("ascii")
