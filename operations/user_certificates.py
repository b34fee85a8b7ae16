"""Creates the credentials of a user: a new private key, and a client certificate that the cluster signs."""

import base64
import time
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.layers.rbac import RbacSettings
from operations.api import Api, Object
from stacks.settings import LabStack
from stacks.validation_errors import suggest_fix

SIGNER = "kubernetes.io/kube-apiserver-client"
SIGNING_TIMEOUT = 30.0
"""Timeout for the cluster to sign a certificate, in seconds."""
_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


class UserCertificateError(Exception):
    """homelab cannot create the credentials of a user; the error message states the cause and the fix."""


def groups_of(user: str, settings: LabStack) -> tuple[str, ...]:
    """Return the groups that the stack file assigns to a user. Raises `UserCertificateError`."""
    rbac = settings.platform.enabled_layers().get("rbac")
    if not isinstance(rbac, RbacSettings):
        raise UserCertificateError(
            "The stack file does not enable the layer rbac, so only the administrator has access: see docs/security.md."
        )
    if user not in rbac.people:
        raise UserCertificateError(
            f"The user {user} is not in homelab:platform.rbac.people: {suggest_fix(user, rbac.people)}"
        )
    return rbac.people[user]


def issue_credentials(api: Api, user: str, groups: Sequence[str], days: int) -> dict[str, str]:
    """Create the user entry of a kubeconfig: a new private key, and a certificate that expires after `days` days.

    Raises `UserCertificateError`.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    certificate = _request_certificate(api, user, request.public_bytes(serialization.Encoding.PEM), days)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"client-certificate-data": certificate, "client-key-data": base64.b64encode(private).decode()}


def _request_certificate(api: Api, user: str, request: bytes, days: int) -> str:
    """Let the cluster sign a certificate request, then delete the CertificateSigningRequest, even after a failure."""
    spec = {
        "request": base64.b64encode(request).decode(),
        "signerName": SIGNER,
        "expirationSeconds": days * 24 * 3600,
        "usages": ["client auth"],
    }
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    created = api.send("POST", _REQUESTS, {**kind, "metadata": {"generateName": f"homelab-{user}-"}, "spec": spec})
    path = f"{_REQUESTS}/{created['metadata']['name']}"
    try:
        approval = {"type": "Approved", "status": "True", "reason": "Homelab", "message": "homelab kubeconfig --user"}
        api.send("PUT", f"{path}/approval", {**created, **kind, "status": {"conditions": [approval]}})
        return _wait_for_certificate(api, path)
    finally:
        api.send("DELETE", path)


def _wait_for_certificate(api: Api, path: str) -> str:
    end = time.monotonic() + SIGNING_TIMEOUT
    while True:
        status: Object = api.get(path).get("status", {})
        if certificate := status.get("certificate"):
            return str(certificate)
        for condition in status.get("conditions", ()):
            if condition["type"] in ("Denied", "Failed"):
                cause = condition.get("message", condition["type"])
                raise UserCertificateError(f"The cluster refused to sign the certificate: {cause}")
        if time.monotonic() > end:
            raise UserCertificateError(
                f"The cluster did not sign the certificate within {SIGNING_TIMEOUT:.0f} s: try again."
            )
        time.sleep(0.2)
