"""Kubernetes objects as data, and how they become resources."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bcrypt
import pulumi
import pulumi_kubernetes as kubernetes

from components.model import SecretRef, snake

Tree = Any
"""What JSON can say, with secrets in it as `SecretRef`, `Derived`, `Hashed`, `Filled`, or as an Output."""
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


Salt = Callable[[], pulumi.Output[str]]


def _no_salt() -> pulumi.Output[str]:
    raise ValueError("there is no salt for a hash here")


def resolve(tree: Tree, salt: Salt = _no_salt) -> Tree:
    """Put the secrets in, as secret Outputs; `salt` gives 16 random bytes in hexadecimal digits."""
    if isinstance(tree, SecretRef | Derived | Hashed | Filled):
        return _secret(tree, salt)
    if isinstance(tree, Mapping):
        return {key: resolve(value, salt) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [resolve(value, salt) for value in tree]
    return tree


def _secret(given: SecretRef | Derived | Hashed | Filled, salt: Salt) -> pulumi.Output[str]:
    if isinstance(given, SecretRef):
        return given.resolve()
    if isinstance(given, Derived):
        return salt().apply(lambda random: derive(random, given))
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
    """Whether its kind comes from a CRD: a group with a dot in it, of none of the kinds below."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return "." in group and not any(kind.startswith(f"{group}/") for kind in _KINDS)


def create(manifest: Manifest, name: str, opts: pulumi.ResourceOptions) -> pulumi.CustomResource:
    """Make a resource of an object that has no secret references left."""
    version, kind = manifest["apiVersion"], manifest["kind"]
    if is_custom(manifest):
        # the SDK's own class takes no field but metadata and spec, and some kinds have others
        return pulumi.CustomResource(f"kubernetes:{version}:{kind}", name, manifest, opts)
    rest = {snake(key): value for key, value in manifest.items() if key not in ("apiVersion", "kind")}
    made = _KINDS[f"{version}/{kind}"](name, opts=opts, **rest)
    assert isinstance(made, pulumi.CustomResource)
    return made


_KINDS: dict[str, Callable[..., Any]] = {
    "v1/Namespace": kubernetes.core.v1.Namespace,
    "v1/Secret": kubernetes.core.v1.Secret,
    "v1/ConfigMap": kubernetes.core.v1.ConfigMap,
    "v1/Service": kubernetes.core.v1.Service,
    "v1/ServiceAccount": kubernetes.core.v1.ServiceAccount,
    "v1/PersistentVolumeClaim": kubernetes.core.v1.PersistentVolumeClaim,
    "apps/v1/Deployment": kubernetes.apps.v1.Deployment,
    "apps/v1/StatefulSet": kubernetes.apps.v1.StatefulSet,
    "autoscaling/v2/HorizontalPodAutoscaler": kubernetes.autoscaling.v2.HorizontalPodAutoscaler,
    "networking.k8s.io/v1/Ingress": kubernetes.networking.v1.Ingress,
    "networking.k8s.io/v1/NetworkPolicy": kubernetes.networking.v1.NetworkPolicy,
    "policy/v1/PodDisruptionBudget": kubernetes.policy.v1.PodDisruptionBudget,
    "storage.k8s.io/v1/StorageClass": kubernetes.storage.v1.StorageClass,
}
"""Kubernetes' own kinds that layers and apps use."""
