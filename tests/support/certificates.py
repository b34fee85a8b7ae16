"""Certificates as a cluster signs them, with any validity."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(days: float, *, left: float | None = None) -> str:
    """Create a certificate for a kubeconfig (base64 of PEM), valid for `days`; `left` days remain, by default all."""
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days - (days if left is None else left))
    made = x509.CertificateBuilder(
        x509.Name([]), x509.Name([]), KEY.public_key(), 1, begins, begins + datetime.timedelta(days=days)
    ).sign(KEY, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
