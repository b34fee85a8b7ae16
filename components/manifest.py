"""Kubernetes objects as data, and how they become resources."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import pulumi

from components.model import SecretRef

Tree = Any
"""What JSON can say, with secrets in it as `SecretRef`, `Derived`, `Hashed`, `Filled`, `Made`, or as an Output."""
Manifest = dict[str, Tree]
"""A Kubernetes object."""


@dataclass(frozen=True)
class Derived:
    """A password that nobody has to know, made once for each layer and name: hexadecimal digits, at most 64."""

    name: str
    length: int = 32


@dataclass(frozen=True)
class Hashed:
    """The bcrypt hash of a secret. Its salt is kept, so that the hash changes with the secret only."""

    secret: SecretRef | Derived


@dataclass(frozen=True)
class Filled:
    """A text with secrets in the places of its `{}`."""

    template: str
    parts: tuple[SecretRef | Derived | Hashed, ...]


@dataclass(frozen=True)
class Made:
    """A text that a function makes out of the layer's random bytes, which it is given in hexadecimal digits."""

    of: Callable[[str], str]


Salt = Callable[[], pulumi.Output[str]]


def _no_salt() -> pulumi.Output[str]:
    raise ValueError("there is no salt for a hash here")


def resolve(tree: Tree, salt: Salt = _no_salt) -> Tree:
    """Put the secrets in, as secret Outputs; `salt` gives 16 random bytes in hexadecimal digits."""
    if isinstance(tree, SecretRef | Derived | Hashed | Filled | Made):
        return _secret(tree, salt)
    if isinstance(tree, Mapping):
        return {key: resolve(value, salt) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [resolve(value, salt) for value in tree]
    return tree


def _secret(given: SecretRef | Derived | Hashed | Filled | Made, salt: Salt) -> pulumi.Output[str]:
    if isinstance(given, SecretRef):
        return given.resolve()
    if isinstance(given, Derived):
        return salt().apply(lambda random: derive(random, given))
    if isinstance(given, Made):
        return salt().apply(given.of)
    if isinstance(given, Hashed):
        return pulumi.Output.all(_secret(given.secret, salt), salt()).apply(lambda both: bcrypt_hash(*both))
    return pulumi.Output.format(given.template, *(_secret(part, salt) for part in given.parts))


def derive(salt: str, wanted: Derived) -> str:
    """Make a password out of `salt`, which is 16 secret bytes in hexadecimal digits."""
    return hmac.new(bytes.fromhex(salt), wanted.name.encode(), "sha256").hexdigest()[: wanted.length]


def bcrypt_hash(password: str, salt: str) -> str:
    """Hash a password. bcrypt reads 72 bytes of it; `salt` is 16 bytes in hexadecimal digits."""
    prefix = b"$2b$12$" + bcrypt_base64(bytes.fromhex(salt))
    return bcrypt.hashpw(password.encode()[:72], prefix).decode()


def bcrypt_base64(raw: bytes) -> bytes:
    """Encode as bcrypt does, whose alphabet is another than that of RFC 4648."""
    ours = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    bits = "".join(f"{byte:08b}" for byte in raw)
    bits += "0" * (-len(bits) % 6)
    return bytes(ours[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


def secret_of(metadata: Mapping[str, Tree], data: Mapping[str, Tree]) -> Manifest:
    """Return a Secret with texts."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": dict(metadata), "stringData": dict(data)}


def is_custom(manifest: Manifest) -> bool:
    """Whether its kind comes from a CRD: its group has a dot and is none of Kubernetes' own."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and group not in _OWN_GROUPS


def create(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Make a resource of an object that has no secret references left."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    token = f"kubernetes:{version if '/' in version else f'core/{version}'}:{kind}"
    secret = ["data", "stringData"] if kind == "Secret" else []
    opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=secret))
    # the SDK's own classes take a second to import, and know no field but metadata and spec of custom kinds
    return pulumi.CustomResource(token, name, manifest, opts)


_OWN_GROUPS = frozenset(
    f"{group}.k8s.io"
    for group in (
        "admissionregistration", "apiextensions", "apiregistration", "certificates", "coordination", "discovery",
        "events", "flowcontrol.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
        "storage",
    )
)  # fmt: skip
"""Groups with a dot that every Kubernetes serves."""
