"""Certificates as a cluster signs them, for any time."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(days: float, *, left: float | None = None) -> str:
    """One that lasts so many days, as a kubeconfig holds it; it begins now, unless it says how many days are left."""
    begins = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days - (days if left is None else left))
    made = x509.CertificateBuilder(
        x509.Name([]), x509.Name([]), KEY.public_key(), 1, begins, begins + datetime.timedelta(days=days)
    ).sign(KEY, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
