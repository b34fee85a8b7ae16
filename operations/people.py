"""A person's way into the cluster: a key made here, and a certificate that the cluster signs and that expires."""

import base64
import time
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.layers.rbac import RbacSettings
from operations.api import Api, Object
from stacks.problems import meant
from stacks.settings import Settings

SIGNER = "kubernetes.io/kube-apiserver-client"
PATIENCE = 30.0
"""Seconds until the cluster should have signed a certificate."""
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class PersonError(Exception):
    """Someone was not let in. Its text says why, and what to do."""


def groups_of(person: str, settings: Settings) -> tuple[str, ...]:
    """Return the groups of someone whom the stack file knows. Raises `PersonError`."""
    rbac = settings.platform.layers().get("rbac")
    if not isinstance(rbac, RbacSettings):
        raise PersonError("The layer rbac is off, so nobody but the administrator has rights: see docs/security.md.")
    if person not in rbac.people:
        raise PersonError(f"{person} is not among homelab:platform.rbac.people: {meant(person, rbac.people)}")
    return rbac.people[person]


def user(api: Api, person: str, groups: Sequence[str], days: int) -> dict[str, str]:
    """Return what a kubeconfig says of a user: a new key, and a certificate for so many days. Raises `PersonError`."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, person)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    certificate = _signed(api, person, request.public_bytes(serialization.Encoding.PEM), days)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"client-certificate-data": certificate, "client-key-data": base64.b64encode(private).decode()}


def _signed(api: Api, person: str, request: bytes, days: int) -> str:
    """Have the cluster sign a request; what was asked is taken back when it is answered, or is not."""
    spec = {
        "request": base64.b64encode(request).decode(),
        "signerName": SIGNER,
        "expirationSeconds": days * 24 * 3600,
        "usages": ["client auth"],
    }
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    made = api.send("POST", _REQUESTS, {**kind, "metadata": {"generateName": f"homelab-{person}-"}, "spec": spec})
    place = f"{_REQUESTS}/{made['metadata']['name']}"
    try:
        approval = {"type": "Approved", "status": "True", "reason": "Homelab", "message": "homelab kubeconfig --user"}
        api.send("PUT", f"{place}/approval", {**made, **kind, "status": {"conditions": [approval]}})
        return _awaited(api, place)
    finally:
        api.send("DELETE", place)


def _awaited(api: Api, place: str) -> str:
    end = time.monotonic() + PATIENCE
    while True:
        status: Object = api.get(place).get("status", {})
        if certificate := status.get("certificate"):
            return str(certificate)
        for condition in status.get("conditions", ()):
            if condition["type"] in ("Denied", "Failed"):
                raise PersonError(f"The cluster signs no certificate: {condition.get('message', condition['type'])}")
        if time.monotonic() > end:
            raise PersonError(f"The cluster has not signed the certificate within {PATIENCE:.0f} s: run this again.")
        time.sleep(0.2)
