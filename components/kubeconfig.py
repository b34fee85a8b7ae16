"""The stack's kubeconfigs: keys that never leave it, and certificates that the cluster signs for them."""

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

from components import k3s
from components.app import rights
from components.lab import ClusterSettings
from components.machine import Machine, Secret, Task, step
from components.manifest import Manifest

ADMIN, APPS = "admin", "apps"
DAYS = 365
"""How long certificates last; they are renewed in the last quarter."""
KEY_BYTES = 32
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""How many private keys the curve P-256 has, and one."""


def _administrator(user: str, _: ClusterSettings) -> list[Manifest]:
    # cluster-admin by a name of our own: what K3s gives its own administrator cannot be taken back
    return [rights.bound(user, _binding(ADMIN), "cluster-admin")]


def _apps(user: str, cluster: ClusterSettings) -> list[Manifest]:
    return rights.of_apps(user, cluster.apps.pod_security)


_RIGHTS: Mapping[str, Callable[[str, ClusterSettings], list[Manifest]]] = {ADMIN: _administrator, APPS: _apps}


@dataclass(frozen=True)
class Kubeconfig:
    """A kubeconfig of the stack, and the user as whom the API knows who has it."""

    user: pulumi.Output[str]
    text: pulumi.Output[str]


def kubeconfigs(
    settings: ClusterSettings,
    server: Machine,
    identity: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
    after: Sequence[pulumi.Resource],
) -> dict[str, Kubeconfig]:
    """Make the kubeconfigs: the administrator's, and that of app stacks.

    The key is made here. A server is given the request for a certificate, which is public, and has the cluster sign it.
    """
    generation = settings.k3s.rotation.kubeconfigs
    kept = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["bytes"]))
    keys = {name: Secret(f"cluster-{name}-key", KEY_BYTES, kept, generation=generation).value for name in _RIGHTS}
    users = pulumi.Output.unsecret(pulumi.Output.all(**keys).apply(partial(_users, generation)))
    variables: dict[str, pulumi.Input[str]] = {
        "USERS": users.apply(lambda names: "\n".join(f"{_binding(name)} {user}" for name, user in names.items())),
        "RIGHTS": users.apply(partial(_rights, settings)),
        "REQUESTS": pulumi.Output.unsecret(pulumi.Output.all(users, pulumi.Output.all(**keys)).apply(_requests)),
        "SECONDS_VALID": str(DAYS * 24 * 3600),
    }
    signed = Task(
        "cluster-kubeconfig", server, [step("bind.sh", on="server"), step("sign.sh", on="server")],
        cluster=identity, probe="signed.sh", variables=variables,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=after)),
    ).output  # fmt: skip
    found = {}
    for at, name in enumerate(_RIGHTS):
        text = pulumi.Output.all(signed, keys[name]).apply(partial(_text, settings, at))
        found[name] = Kubeconfig(users[name], text)
    return found


def _binding(name: str) -> str:
    return f"homelab:{name}"


def _users(generation: int, keys: Mapping[str, str]) -> dict[str, str]:
    """Names that nobody knows before: a kubeconfig that leaked could have certificates signed for the next ones."""
    return {name: f"homelab:{name}-{generation}-{_digest(keys[name])}" for name in _RIGHTS}


def _digest(key: str) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = _private(key).public_key().public_bytes(serialization.Encoding.DER, form)
    return hashlib.sha256(public).hexdigest()[:8]


def _rights(settings: ClusterSettings, users: Mapping[str, str]) -> str:
    items = [manifest for name, user in users.items() for manifest in _RIGHTS[name](user, settings)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _requests(given: Sequence[Mapping[str, str]]) -> str:
    users, keys = given
    return "\n".join(request(keys[name], user) for name, user in users.items())


def request(key: str, user: str) -> str:
    """Return a request for the certificate of a user, in base64; the same for the same key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
    unsigned = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = unsigned.sign(_private(key), hashes.SHA256(), ecdsa_deterministic=True)
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def _private(key: str) -> ec.EllipticCurvePrivateKey:
    """The private key that random hexadecimal digits stand for."""
    return ec.derive_private_key(int(key, 16) % (_ORDER - 1) + 1, ec.SECP256R1())


def private_key(key: str) -> str:
    """Return the same as PEM, in base64."""
    form, clear = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return base64.b64encode(_private(key).private_bytes(serialization.Encoding.PEM, form, clear)).decode()


def _text(settings: ClusterSettings, at: int, given: Sequence[str]) -> str:
    """Put a kubeconfig together, of what the cluster answered and of the key of the user at this place."""
    signed, key = given
    authority, *certificates = signed.split()
    if len(certificates) != len(_RIGHTS):
        reason = "cluster-kubeconfig was made by an older version of this program"
        raise pulumi.RunError(f"{reason}: run `pulumi up` without --target, which makes it anew")
    name = json.dumps(settings.name)
    return f"""\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: https://{k3s.endpoint(settings)}
    certificate-authority-data: {authority}
users:
- name: {name}
  user:
    client-certificate-data: {certificates[at]}
    client-key-data: {private_key(key)}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
"""
