"""Checks of the top-level keys of a stack's configuration, and of its references to secrets."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from components.settings.errors import SettingPath
from components.settings.model import NAMESPACE, Model, SecretRef, camel_case
from stacks.validation_errors import Problem, closest_match, display_path, unknown_key

NAMING_FIX = "store the secret under its own key with `pulumi config set --secret NAME`, and write {secret: NAME} here"


def top_level_problems(
    raw: Mapping[str, Any], secrets: Collection[str], known: Collection[str], needed: Mapping[str, str]
) -> Iterator[Problem]:
    """Yield all errors in the top-level keys of the stack's configuration.

    `needed` maps each required key to the fix in the error message for a missing key.
    """
    named = {name for key in known for name in _secret_names(raw.get(key))}
    unknown = sorted(set(raw) - set(known) - named)
    for key in unknown:
        yield Problem(f"{NAMESPACE}:{key}", *unknown_key(key, known))
    for key in sorted((set(raw) & named) - set(known)):
        yield Problem(
            f"{NAMESPACE}:{key}", "is stored in clear text", f"set the secret with `pulumi config set --secret {key}`"
        )
    for key in sorted(needed.keys() - set(raw)):
        if not any(closest_match(word, [key]) for word in unknown):
            yield Problem(f"{NAMESPACE}:{key}", "is missing", needed[key])
    complete = all(isinstance(raw.get(key), Mapping) for key in needed)
    for key in sorted(set(secrets) - named) if complete else ():
        fix = f"refer to the secret from a setting, or remove the secret with `pulumi config rm {key}`"
        yield Problem(f"{NAMESPACE}:{key}", "is a secret that no setting uses", fix)


def unset_secrets(settings: Model, key: str, raw: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Problem]:
    """Yield an error for each setting that refers to a missing secret.

    The error message does not contain the name of the missing secret.
    """
    for loc, name in _references(settings, (key,)):
        if name not in secrets and isinstance(raw.get(name), Mapping):
            fix = "store the secret with `pulumi config set --secret` under another name"
            yield Problem(display_path((*loc, "secret"), raw), f"names {NAMESPACE}:{name}, which is not a secret", fix)
        elif name not in secrets and name not in raw:
            near = closest_match(name, secrets)
            fix = f"did you mean {near}?" if near else "set this secret with `pulumi config set --secret NAME`"
            yield Problem(display_path((*loc, "secret"), raw), "names a secret that the stack does not have", fix)


def _secret_names(value: Any) -> Iterator[str]:
    """Yield every NAME in `{secret: NAME}`, even if other parts of the configuration are invalid."""
    if isinstance(value, Mapping):
        if set(value) == {"secret"} and isinstance(value["secret"], str):
            yield value["secret"]
        for inner in value.values():
            yield from _secret_names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _secret_names(inner)


def _references(value: Any, loc: SettingPath) -> Iterator[tuple[SettingPath, str]]:
    """Yield the path of each reference to a secret in the settings, and the name of the secret."""
    if isinstance(value, SecretRef):
        yield loc, value.secret
    elif isinstance(value, Model):
        for field, inner in value.__dict__.items():
            yield from _references(inner, (*loc, camel_case(field)))
        yield from _references(value.model_extra or {}, loc)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _references(inner, (*loc, key))
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            yield from _references(inner, (*loc, index))
