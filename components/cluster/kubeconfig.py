"""Kubeconfigs of the administrator and of app stacks: Kubernetes signs the certificates, and Pulumi keeps the keys."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from components.cluster.k3s import config
from components.cluster.settings import ClusterSettings
from components.kubernetes import rbac
from components.kubernetes.manifest import Manifest
from components.provider_resources import Connection, RandomSecret, Task, step

ADMIN, APPS = "admin", "apps"
USERS = (ADMIN, APPS)
VALIDITY_DAYS = 365
"""Validity of client certificates in days. `pulumi up` renews a client certificate in the last quarter of its validity
period."""
KEY_BYTES = 32
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order of the P-256 curve. A private key is a positive integer below the order of the curve."""


Rights = Callable[[str], list[Manifest]]
"""Function that returns the RBAC objects of a user."""


def _administrator(user: str) -> list[Manifest]:
    # a separate user gets cluster-admin, because the permissions of K3s' built-in administrator cannot be revoked
    return [rbac.cluster_role_binding(user, _binding(ADMIN), "cluster-admin")]


@dataclass(frozen=True)
class Kubeconfig:
    """A kubeconfig that `pulumi up` creates, and the name of its Kubernetes user."""

    user: pulumi.Output[str]
    text: pulumi.Output[str]


def create_kubeconfigs(
    settings: ClusterSettings,
    server: Connection,
    identity: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource],
    *,
    app_rights: Rights,
) -> dict[str, Kubeconfig]:
    """Create one kubeconfig for the administrator and one kubeconfig for app stacks.

    homelab's Pulumi provider generates the private keys. A K3s server receives only the certificate signing requests,
    and submits the requests to the Kubernetes API.
    """
    generation = settings.k3s.rotation.kubeconfigs
    immutable = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["bytes"]))
    keys = {
        name: RandomSecret(f"cluster-{name}-key", KEY_BYTES, immutable, generation=generation).value for name in USERS
    }
    users = pulumi.Output.unsecret(pulumi.Output.all(**keys).apply(partial(_users, generation)))
    variables: dict[str, pulumi.Input[str]] = {
        "USERS": users.apply(lambda names: "\n".join(f"{_binding(name)} {user}" for name, user in names.items())),
        "RIGHTS": users.apply(partial(_rights, {ADMIN: _administrator, APPS: app_rights})),
        "REQUESTS": pulumi.Output.unsecret(pulumi.Output.all(users, pulumi.Output.all(**keys)).apply(_requests)),
        "SECONDS_VALID": str(VALIDITY_DAYS * 24 * 3600),
    }
    signed = Task(
        "cluster-kubeconfig", server,
        [step("cluster/bind-kubeconfig-users.sh", on="server"), step("cluster/sign-kubeconfigs.sh", on="server")],
        cluster=identity, drift_check="drift/kubeconfigs.sh", variables=variables,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=after)),
    ).output  # fmt: skip
    results = {}
    for index, name in enumerate(USERS):
        text = pulumi.Output.all(signed, keys[name]).apply(partial(_text, settings, index))
        results[name] = Kubeconfig(users[name], text)
    return results


def _binding(name: str) -> str:
    return f"homelab:{name}"


def _users(generation: int, keys: Mapping[str, str]) -> dict[str, str]:
    """Return user names that contain a digest of the user's key, because the holder of an old kubeconfig could request
    a certificate for a user name that is predictable."""
    return {name: f"homelab:{name}-{generation}-{_key_digest(keys[name])}" for name in USERS}


def _key_digest(key: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = _derived_key(key).public_key().public_bytes(serialization.Encoding.DER, form)
    return hashlib.sha256(public).hexdigest()[:8]


def _rights(rights: Mapping[str, Rights], users: Mapping[str, str]) -> str:
    items = [manifest for name, user in users.items() for manifest in rights[name](user)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _requests(users_and_keys: Sequence[Mapping[str, str]]) -> str:
    users, keys = users_and_keys
    return "\n".join(signing_request(keys[name], user) for name, user in users.items())


def signing_request(key: str, user: str) -> str:
    """Return the certificate signing request of a Kubernetes user as base64-encoded PEM.

    The same private key always produces the same certificate signing request.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    unsigned = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = unsigned.sign(_derived_key(key), hashes.SHA256(), ecdsa_deterministic=True)
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def _derived_key(key: str) -> ec.EllipticCurvePrivateKey:
    """Derive a P-256 private key from a secret of random hexadecimal digits."""
    return ec.derive_private_key(int(key, 16) % (_ORDER - 1) + 1, ec.SECP256R1())


def private_key(key: str) -> str:
    """Derive a private key from a secret of random hexadecimal digits, and return the key as base64-encoded PEM."""
    form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return base64.b64encode(_derived_key(key).private_bytes(serialization.Encoding.PEM, form, clear)).decode()


def _text(settings: ClusterSettings, index: int, signed_and_key: Sequence[str]) -> str:
    """Render the kubeconfig of the user `USERS[index]` from the signed client certificate and the private key."""
    signed, key = signed_and_key
    ca, *certificates = signed.split()
    if len(certificates) != len(USERS):
        reason = "the resource cluster-kubeconfig was created by an older version of homelab"
        raise pulumi.RunError(f"{reason}: run `pulumi up` without --target to recreate the resource")
    name = json.dumps(settings.name)
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: https://{config.api_endpoint(settings)}
    certificate-authority-data: {ca}
users:
- name: {name}
  user:
    client-certificate-data: {certificates[index]}
    client-key-data: {private_key(key)}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
"""
