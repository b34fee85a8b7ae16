"""Kubernetes objects as Python data, the secrets in these objects, and the conversion to Pulumi resources."""

import base64
import hmac
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import pulumi

from components.settings.model import SecretRef

Json = Any
"""JSON data that may contain secrets: Pulumi Outputs, and the types that `resolve_secrets` replaces with Pulumi
Outputs."""
Manifest = dict[str, Json]
"""A Kubernetes object."""


@dataclass(frozen=True)
class DerivedPassword:
    """A password of up to 64 hexadecimal digits that homelab derives from `name` and a random secret of the layer."""

    name: str
    length: int = 32


@dataclass(frozen=True)
class BcryptHash:
    """The bcrypt hash of a secret.

    Pulumi's state stores the salt of the hash, so the hash changes only if the secret changes.
    """

    secret: SecretRef | DerivedPassword


@dataclass(frozen=True)
class SecretTemplate:
    """A template, in which homelab replaces each placeholder `{}` with a secret of `parts`."""

    template: str
    parts: tuple[SecretRef | DerivedPassword | BcryptHash, ...]


@dataclass(frozen=True)
class ComputedSecret:
    """A secret that the function `compute` derives from its argument, a random secret of the layer in hexadecimal
    digits."""

    compute: Callable[[str], str]


SaltFactory = Callable[[], pulumi.Output[str]]


def _no_salt() -> pulumi.Output[str]:
    raise ValueError("derived passwords and hashes need a salt, but no salt is set")


def resolve_secrets(tree: Json, salt: SaltFactory = _no_salt) -> Json:
    """Return a copy of `tree` in which a secret Pulumi Output replaces each reference to a secret.

    The function `salt` must return 16 random bytes as hexadecimal digits.
    """
    if isinstance(tree, SecretRef | DerivedPassword | BcryptHash | SecretTemplate | ComputedSecret):
        return _resolve_secret(tree, salt)
    if isinstance(tree, Mapping):
        return {key: resolve_secrets(value, salt) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [resolve_secrets(value, salt) for value in tree]
    return tree


def _resolve_secret(
    secret: SecretRef | DerivedPassword | BcryptHash | SecretTemplate | ComputedSecret, salt: SaltFactory
) -> pulumi.Output[str]:
    if isinstance(secret, SecretRef):
        return secret.resolve()
    if isinstance(secret, DerivedPassword):
        return salt().apply(lambda random: derive_password(random, secret))
    if isinstance(secret, ComputedSecret):
        return salt().apply(secret.compute)
    if isinstance(secret, BcryptHash):
        return pulumi.Output.all(_resolve_secret(secret.secret, salt), salt()).apply(lambda texts: bcrypt_hash(*texts))
    return pulumi.Output.format(secret.template, *(_resolve_secret(part, salt) for part in secret.parts))


def derive_password(salt: str, wanted: DerivedPassword) -> str:
    """Derive a password from `salt`, which contains 16 secret random bytes as hexadecimal digits."""
    return hmac.new(bytes.fromhex(salt), wanted.name.encode(), "sha256").hexdigest()[: wanted.length]


def bcrypt_hash(password: str, salt: str, cost: int = 12) -> str:
    """Hash the first 72 bytes of a password with bcrypt. `salt` contains 16 bytes as hexadecimal digits."""
    prefix = f"$2b${cost:02}$".encode() + bcrypt_base64(bytes.fromhex(salt))
    return bcrypt.hashpw(password.encode()[:72], prefix).decode()


def bcrypt_base64(raw: bytes) -> bytes:
    """Encode bytes in bcrypt's Base64, whose alphabet differs from the alphabet of RFC 4648."""
    letters_and_digits = (string.ascii_uppercase + string.ascii_lowercase + string.digits).encode()
    to_bcrypt = bytes.maketrans(letters_and_digits + b"+/", b"./" + letters_and_digits)
    return base64.b64encode(raw).rstrip(b"=").translate(to_bcrypt)


def secret_manifest(metadata: Mapping[str, Json], data: Mapping[str, Json]) -> Manifest:
    """Build a Kubernetes Secret from unencoded texts (`stringData`)."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "stringData": dict(data)}


def is_custom_resource(manifest: Manifest) -> bool:
    """Whether the object is a custom resource: its API group contains a dot, and is not built into Kubernetes."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and group not in _OWN_GROUPS


def create_resource(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Create the Pulumi resource for a Kubernetes object.

    `manifest` must contain Pulumi Outputs instead of references to secrets.
    """
    version, kind = manifest["apiVersion"], manifest["kind"]
    token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    secret_fields = ["data", "stringData"] if kind == "Secret" else []
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=secret_fields))
    # Pulumi's typed Kubernetes classes import slowly, and its CustomResource class accepts only metadata and spec
    return pulumi.CustomResource(token, name, manifest, opts)


_OWN_GROUPS = frozenset(
    f"{group}.k8s.io"
    for group in (
        "admissionregistration", "apiextensions", "apiregistration", "certificates", "coordination", "discovery",
        "events", "flowcontrol.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
        "storage",
    )
)  # fmt: skip
"""API groups that contain a dot, and that are built into Kubernetes."""
