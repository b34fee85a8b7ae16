"""Error messages for an invalid configuration, with the path of the setting, the reason and the fix."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pulumi
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from components.settings.characters import invisible_character
from components.settings.errors import SettingPath
from components.settings.model import NAMESPACE, Model, SecretRef
from stacks.descriptions import entry_model, field_descriptions


@dataclass(frozen=True)
class Problem:
    """One error in the configuration: the path in the stack file, the reason, and the fix."""

    path: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; {self.fix}"


class SettingsError(pulumi.RunError):
    """Raised if the configuration of a stack is invalid. The error message lists all `problems`."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def of_stack(self, stack: str) -> pulumi.RunError:
        """Return the error that ends the Pulumi program of the stack, with a heading above all problems."""
        heading = f"the configuration of stack {stack} is invalid; no changes were made:"
        return pulumi.RunError("\n  ".join((heading, *map(str, self.problems))))


def display_path(loc: SettingPath, raw: Any) -> str:
    """Format the path of a setting as users write the path in the stack file.

    The path of a setting under `nodes` ends with the name of the node.
    """
    text, name = f"{NAMESPACE}:{loc[0]}", ""
    for step, key in enumerate(loc[1:], start=1):
        plain = isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_-]+", key)
        text += f".{key}" if plain else f"[{json.dumps(key, default=str)}]"
        if loc[step - 1] == "nodes" and isinstance(key, int):
            name = _valid_name(raw, loc[: step + 1])
    return f"{text} ({name})" if name else text


def value_at(raw: Any, loc: SettingPath) -> Any:
    """Return the value at the path `loc` in the stack file, or None if the path does not exist."""
    for key in loc:
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _valid_name(raw: Any, loc: SettingPath) -> str:
    name = value_at(raw, (*loc, "name"))
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name) else ""


def closest_match(word: Any, known: Collection[str]) -> str | None:
    """Return the known word that is most similar to `word`, or None if no known word is similar."""
    by_lower_case = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(str(word).lower().replace("_", ""), by_lower_case, n=1, cutoff=0.7)
    return by_lower_case[matches[0]] if matches else None


_SYNONYMS: dict[str, tuple[str, ...]] = {
    "env": ("environment",), "envs": ("environment",), "variables": ("environment",), "cmd": ("command",),
    "entrypoint": ("command",), "domain": ("hosts",), "domains": ("hosts",), "ingress": ("hosts",),
    "expose": ("ports", "port"), "mounts": ("volumes",), "persistence": ("volumes",), "storage": ("volumes",),
    "configs": ("files",), "configmap": ("files",), "scale": ("replicas",), "instances": ("replicas",),
    "tag": ("image",), "uid": ("user",), "runasuser": ("user",), "gid": ("group",), "fsgroup": ("group",),
    "healthcheck": ("probes",), "shm_size": ("sharedMemory",), "cap_add": ("capabilities",),
    "database": ("postgres",), "postgresql": ("postgres",), "nodeselector": ("nodes",), "cronjobs": ("cron",),
    "readonly_rootfs": ("writableRoot",), "terminationgraceperiodseconds": ("gracePeriod",),
    "network_mode": ("hostNetwork",), "overrides": ("patches",), "runtimeclassname": ("gpu",),
}  # fmt: skip
"""Names of settings in Docker, Compose, Kubernetes and Helm, with the corresponding settings of homelab."""


_MAX_CHOICES = 40
"""Largest number of known words that an error message lists."""


def suggest_fix(word: Any, known: Collection[str]) -> str:
    """Return the fix for an unknown key or name: the most similar known word, or all known words."""
    synonyms = _SYNONYMS.get(str(word).lower(), ())
    near = closest_match(word, known) or next((synonym for synonym in synonyms if synonym in known), None)
    if near:
        return f"did you mean {near}?"
    if len(known) > _MAX_CHOICES:
        similar = difflib.get_close_matches(str(word).lower(), known, n=3, cutoff=0)
        return f"the most similar names are: {', '.join(sorted(similar))}"
    return f"use one of: {', '.join(sorted(known))}" if known else "take it out"


def unknown_key(key: Any, known: Collection[str]) -> tuple[str, str]:
    """Return the reason and the fix for a key that no setting has."""
    if invisible := invisible_character(str(key)):
        return f"contains the invisible character {invisible}", "type the key again"
    return "is not a known key", suggest_fix(key, known)


def explain_errors(error: ValidationError, model: type[Model], raw: Any, top: SettingPath) -> Iterator[Problem]:
    """Convert the validation errors of Pydantic for `model` to problems.

    `raw` is the stack file's configuration, in which `model` validated the value at the path `top`.
    """
    details = error.errors(include_url=False, include_input=False)
    misspelt = set(_misspelt(details, model))
    for detail in details:
        loc = tuple(key for key in detail["loc"] if key != "[key]")
        redundant = detail["type"] == "default_factory_not_called" or (detail["type"] == "missing" and loc in misspelt)
        if not redundant:
            reason, fix = _reason_and_fix(detail, _field(model, loc), value_at(raw, (*top, *loc)))
            yield Problem(display_path((*top, *loc), raw), reason, fix)


def _misspelt(details: Iterable[ErrorDetails], model: type[Model]) -> Iterator[SettingPath]:
    """Yield the path of each required key that the stack file probably contains in a misspelled form."""
    for detail in details:
        *parents, key = detail["loc"] or ("",)
        near = (
            closest_match(key, _field(model, detail["loc"]).siblings) if detail["type"] == "extra_forbidden" else None
        )
        if near:
            yield (*parents, near)


@dataclass(frozen=True)
class _Field:
    """Description and type of a setting, and all keys of the model that contains the setting."""

    meaning: str
    kind: Any
    siblings: Collection[str]


def _field(model: Any, loc: SettingPath) -> _Field:
    """Return the field at the path `loc` below the settings model `model`."""
    meaning, siblings, kind = "", (), model
    for key in loc:
        kind = without_none(kind)
        if is_model(kind):
            names = {field.alias or name: name for name, field in kind.model_fields.items()}
            siblings = tuple(names)
            if key in names:
                name = names[str(key)]
                meaning, kind = field_descriptions(kind)[name], kind.model_fields[name].annotation
            elif entry := entry_model(kind):
                meaning, kind = "", entry
            else:
                return _Field("", None, siblings)
        else:
            kind = next((arg for arg in reversed(get_args(kind)) if arg is not Ellipsis), None)
    return _Field(meaning, kind, siblings)


def without_none(kind: Any) -> Any:
    """Remove `| None` from a type."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(arg for arg in get_args(kind) if arg is not NoneType)


def is_model(kind: Any) -> bool:
    """Whether a Python type is a settings model."""
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, Model)


def _reason_and_fix(detail: ErrorDetails, field: _Field, value: Any) -> tuple[str, str]:
    context, kind = detail.get("ctx", {}), detail["type"]
    words = ("is not valid", f"write {_first_sentence(field.meaning)}")
    if kind == "homelab":
        words = (context["reason"], context["fix"])
    elif kind == "extra_forbidden":
        words = unknown_key(detail["loc"][-1], field.siblings)
    elif kind == "invalid_key":
        words = ("must be text", "put the key in quotes")
    elif kind == "missing":
        command = "run `./homelab trust`, or " if detail["loc"][-1] == "hostKey" else ""
        words = ("is missing", f"{command}add it: {_first_sentence(field.meaning)}")
    elif kind == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        words = ("is not one of the choices", f"use one of: {choices}")
    elif kind == "model_type" and without_none(field.kind) is SecretRef:
        fix = "write {secret: NAME}, and set the secret with `pulumi config set --secret NAME`"
        words = ("must name a secret, not contain it", fix)
    elif kind == "string_type" and isinstance(value, dict) and "environment" in detail["loc"]:
        words = ("must be text, not a reference to a secret", f"move {detail['loc'][-1]} to the app's `secrets`")
    elif kind in _BOUNDS:
        reason, bound, beyond = _BOUNDS[kind]
        words = (reason, f"use {context[bound]} or {beyond}")
    elif kind in _TYPES:
        words = _wrong_type(kind, field, value)
    return words


def _wrong_type(kind: str, field: _Field, value: Any) -> tuple[str, str]:
    expected, fix = _TYPES[kind]
    if kind == "string_type" and isinstance(value, list | dict | None):
        fix = f"write one: {_first_sentence(field.meaning)}" if field.meaning else "write a text"
    return f"must be {expected}, not {_type_name(value)}", fix


_BOUNDS = {
    "greater_than_equal": ("is too small", "ge", "more"),
    "less_than_equal": ("is too large", "le", "less"),
}
_TYPES = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write it in digits, without quotes"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "tuple_type": ("a list", "write the list as [one, two] or as lines that start with -"),
    "dict_type": ("a mapping", "write it as key: value"),
    "model_type": ("a mapping", "write it as key: value"),
}


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "empty" if value is None else "this")


def _first_sentence(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].rstrip(".")
    has_name = first[:2].isupper() or first.startswith(("Git ", "Pulumi "))
    return first if has_name else first[:1].lower() + first[1:]
