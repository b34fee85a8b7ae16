"""Kubernetes objects as data, and the conversion of such objects to Pulumi resources."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import pulumi

from components.settings.model import SecretRef

Json = Any
"""JSON data that may contain secrets: Outputs, and all types that `resolve_secrets` replaces."""
Manifest = dict[str, Json]
"""A Kubernetes object."""


@dataclass(frozen=True)
class DerivedPassword:
    """A password that homelab derives from the layer's random bytes and `name`: up to 64 hexadecimal digits."""

    name: str
    length: int = 32


@dataclass(frozen=True)
class BcryptHash:
    """The bcrypt hash of a secret. Pulumi's state stores the salt, so the hash changes only if the secret changes."""

    secret: SecretRef | DerivedPassword


@dataclass(frozen=True)
class SecretTemplate:
    """A text template whose `{}` placeholders are replaced by secrets."""

    template: str
    parts: tuple[SecretRef | DerivedPassword | BcryptHash, ...]


@dataclass(frozen=True)
class ComputedSecret:
    """A secret text that the function `compute` derives from the layer's random bytes (hexadecimal digits)."""

    compute: Callable[[str], str]


SaltFactory = Callable[[], pulumi.Output[str]]


def _no_salt() -> pulumi.Output[str]:
    raise ValueError("derived passwords and hashes need a salt, but no salt is set")


def resolve_secrets(tree: Json, salt: SaltFactory = _no_salt) -> Json:
    """Replace each secret reference in `tree` with a secret Pulumi Output.

    The function `salt` returns 16 random bytes as hexadecimal digits.
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
    """Derive a password from `salt`, which is 16 secret bytes as hexadecimal digits."""
    return hmac.new(bytes.fromhex(salt), wanted.name.encode(), "sha256").hexdigest()[: wanted.length]


def bcrypt_hash(password: str, salt: str, cost: int = 12) -> str:
    """Hash the first 72 bytes of a password with bcrypt. The `salt` contains 16 bytes as hexadecimal digits."""
    prefix = f"$2b${cost:02}$".encode() + bcrypt_base64(bytes.fromhex(salt))
    return bcrypt.hashpw(password.encode()[:72], prefix).decode()


def bcrypt_base64(raw: bytes) -> bytes:
    """Encode bytes in bcrypt's variant of Base64, which uses another alphabet than RFC 4648."""
    alphabet = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 6)
    return bytes(alphabet[int(bits[start : start + 6], 2)] for start in range(0, len(bits), 6))


def secret_manifest(metadata: Mapping[str, Json], data: Mapping[str, Json]) -> Manifest:
    """Build a Kubernetes Secret from plain texts (`stringData`)."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "stringData": dict(data)}


def is_custom_resource(manifest: Manifest) -> bool:
    """Whether a CRD defines the object's kind: the API group contains a dot and is not built into Kubernetes."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and group not in _OWN_GROUPS


def create_resource(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Create the Pulumi resource of a Kubernetes object.

    The manifest must contain Pulumi Outputs instead of secret references.
    """
    version, kind = manifest["apiVersion"], manifest["kind"]
    token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    secret_fields = ["data", "stringData"] if kind == "Secret" else []
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=secret_fields))
    # the SDK's typed classes import slowly, and accept only metadata and spec for custom resources
    return pulumi.CustomResource(token, name, manifest, opts)


_OWN_GROUPS = frozenset(
    f"{group}.k8s.io"
    for group in (
        "admissionregistration", "apiextensions", "apiregistration", "certificates", "coordination", "discovery",
        "events", "flowcontrol.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
        "storage",
    )
)  # fmt: skip
"""API groups with a dot that are built into Kubernetes."""
