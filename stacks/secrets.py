"""The top-level keys of a configuration: which are known, and whether secrets and their names match."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from components.lab import ClusterSettings
from components.model import NAMESPACE, UNKNOWN, Model, SecretRef, camel
from stacks.problems import Loc, Problem, meant, nearest, path

KEYS = ("cluster",)
NAME_IT = "give it a key of its own: `pulumi config set --secret NAME`, and write {secret: NAME} instead"


def keys(raw: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the keys themselves, whatever they hold."""
    named = set(_named(raw.get("cluster")))
    unknown = sorted(set(raw) - set(KEYS) - named)
    for key in unknown:
        yield Problem(f"{NAMESPACE}:{key}", "is not a known key", meant(key, KEYS))
    for key in sorted((set(raw) & named) - set(KEYS)):
        yield Problem(f"{NAMESPACE}:{key}", "is in clear", f"set it with `pulumi config set --secret {key}`")
    if "cluster" not in raw:
        if not any(nearest(key, KEYS) for key in unknown):
            yield Problem(f"{NAMESPACE}:cluster", "is missing", "describe the cluster there, see docs/configuration.md")
        return
    for key in sorted(set(secrets) - named) if isinstance(raw["cluster"], Mapping) else ():
        fix = f"name it where it belongs, or remove it with `pulumi config rm {key}`"
        yield Problem(f"{NAMESPACE}:{key}", "is a secret that nothing uses", fix)


def unset(cluster: ClusterSettings, raw: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Problem]:
    """Yield the fields that name a secret which the stack does not have. The names are not repeated."""
    for loc, name in _references(cluster, ("cluster",)):
        if name not in secrets and name not in raw:
            near = nearest(name, secrets)
            fix = f"did you mean {near}?" if near else "set it with `pulumi config set --secret` under this name"
            yield Problem(path((*loc, "secret"), raw), "names a secret that the stack does not have", fix)


def _named(value: Any) -> Iterator[str]:
    """Yield every name in the place of a secret's, however wrong the rest is."""
    if isinstance(value, Mapping):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            yield value["secret"]
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)


def _references(value: Any, loc: Loc) -> Iterator[tuple[Loc, str]]:
    """Yield the secret references in settings, with their place."""
    if value is UNKNOWN:
        return
    if isinstance(value, SecretRef):
        if (name := value.__dict__["secret"]) is not UNKNOWN:
            yield loc, name
    elif isinstance(value, Model):
        for field, inner in value.__dict__.items():
            yield from _references(inner, (*loc, camel(field)))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _references(inner, (*loc, key))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _references(inner, (*loc, index))
