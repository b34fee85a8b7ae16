"""What is wrong with a configuration, in our own words: where, why, and what to do."""

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

from components.model import NAMESPACE, Model, SecretRef
from stacks.meanings import meanings

Loc = tuple[str | int, ...]
"""Where something is, from the top-level key down: `("cluster", "nodes", 1, "hostKey")`."""


@dataclass(frozen=True)
class Problem:
    """One mistake: its path in the stack file, the reason, and the fix."""

    path: str
    reason: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; {self.fix}"


class SettingsError(pulumi.RunError):
    """The configuration is not usable; `problems` are all of its mistakes, and the text is their list."""

    def __init__(self, problems: Collection[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def of_stack(self, stack: str) -> pulumi.RunError:
        """The same, as the message that ends the program of that stack."""
        heading = f"the configuration of stack {stack} is wrong; nothing was touched:"
        return pulumi.RunError("\n  ".join((heading, *map(str, self.problems))))


def path(loc: Loc, raw: Any) -> str:
    """Return the path as it is written in the file, with the name of the node it leads to."""
    text, name = f"{NAMESPACE}:{loc[0]}", ""
    for step, key in enumerate(loc[1:], start=1):
        plain = isinstance(key, str) and re.fullmatch(r"[A-Za-z0-9_-]+", key)
        text += f".{key}" if plain else f"[{json.dumps(key, default=str)}]"
        if loc[step - 1] == "nodes" and isinstance(key, int):
            name = _name(raw, loc[: step + 1])
    return f"{text} ({name})" if name else text


def at(raw: Any, loc: Loc) -> Any:
    """Return what the file says at `loc`, None where it says nothing."""
    for key in loc:
        try:
            raw = raw[key]
        except (KeyError, IndexError, TypeError):
            return None
    return raw


def _name(raw: Any, loc: Loc) -> str:
    name = at(raw, (*loc, "name"))
    return name if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9._-]{1,63}", name) else ""


def nearest(word: Any, known: Collection[str]) -> str | None:
    """Return the known word that was most likely meant."""
    lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(str(word).lower().replace("_", ""), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None


_OTHERS: dict[str, tuple[str, ...]] = {
    "env": ("environment",), "envs": ("environment",), "variables": ("environment",), "cmd": ("command",),
    "entrypoint": ("command",), "domain": ("hosts",), "domains": ("hosts",), "ingress": ("hosts",),
    "expose": ("ports", "port"), "mounts": ("volumes",), "persistence": ("volumes",), "storage": ("volumes",),
    "configs": ("files",), "configmap": ("files",), "scale": ("replicas",), "instances": ("replicas",),
    "tag": ("image",), "uid": ("user",), "runasuser": ("user",), "gid": ("group",), "fsgroup": ("group",),
    "healthcheck": ("probes",), "shm_size": ("sharedMemory",), "cap_add": ("capabilities",),
    "database": ("postgres",), "postgresql": ("postgres",), "nodeselector": ("nodes",), "cronjobs": ("cron",),
    "readonly_rootfs": ("writableRoot",), "terminationgraceperiodseconds": ("gracePeriod",),
}  # fmt: skip
"""Words for the same from elsewhere: Docker, Compose, Kubernetes, Helm."""


def meant(word: Any, known: Collection[str]) -> str:
    """Return the fix for a word that is not known: the nearest one, or all there are."""
    near = nearest(word, known) or next((each for each in _OTHERS.get(str(word).lower(), ()) if each in known), None)
    if near:
        return f"did you mean {near}?"
    return f"use one of: {', '.join(sorted(known))}" if known else "take it out"


def explain(error: ValidationError, model: type[Model], raw: Any, top: Loc) -> Iterator[Problem]:
    """Translate everything that pydantic found in `raw`, the value at `top`, for `model`."""
    details = error.errors(include_url=False, include_input=False)
    misspelt = set(_misspelt(details, model))
    for detail in details:
        loc = tuple(key for key in detail["loc"] if key != "[key]")
        silent = detail["type"] == "default_factory_not_called" or (detail["type"] == "missing" and loc in misspelt)
        if not silent:
            reason, fix = _words(detail, _field(model, loc), at(raw, (*top, *loc)))
            yield Problem(path((*top, *loc), raw), reason, fix)


def _misspelt(details: Iterable[ErrorDetails], model: type[Model]) -> Iterator[Loc]:
    """Yield the places that unknown keys were meant for, which are not missing besides."""
    for detail in details:
        *parents, key = detail["loc"] or ("",)
        near = nearest(key, _field(model, detail["loc"]).siblings) if detail["type"] == "extra_forbidden" else None
        if near:
            yield (*parents, near)


@dataclass(frozen=True)
class _Field:
    """What the models say about a place: its meaning, its type, and the keys around it."""

    meaning: str
    kind: Any
    siblings: Collection[str]


def _field(model: Any, loc: Loc) -> _Field:
    """Follow `loc` through the models."""
    meaning, siblings, kind = "", (), model
    for key in loc:
        kind = plain(kind)
        if is_model(kind):
            names = {field.alias or name: name for name, field in kind.model_fields.items()}
            siblings = tuple(names)
            if key not in names:
                return _Field("", None, siblings)
            name = names[str(key)]
            meaning, kind = meanings(kind)[name], kind.model_fields[name].annotation
        else:
            kind = next((arg for arg in reversed(get_args(kind)) if arg is not Ellipsis), None)
    return _Field(meaning, kind, siblings)


def plain(kind: Any) -> Any:
    """Return a type without its `| None`."""
    if get_origin(kind) not in (Union, UnionType):
        return kind
    return next(arg for arg in get_args(kind) if arg is not NoneType)


def is_model(kind: Any) -> bool:
    """Whether a type is one of our models."""
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, Model)


def _words(detail: ErrorDetails, field: _Field, given: Any) -> tuple[str, str]:
    context, kind = detail.get("ctx", {}), detail["type"]
    words = ("is not usable", f"write {_lower(field.meaning)}")
    if kind == "homelab":
        words = (context["reason"], context["fix"])
    elif kind == "extra_forbidden":
        words = ("is not a known key", meant(detail["loc"][-1], field.siblings))
    elif kind == "invalid_key":
        words = ("is not a key", "put it in quotes")
    elif kind == "missing":
        words = ("is missing", f"add it: {_lower(field.meaning)}")
    elif kind == "literal_error":
        choices = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        words = ("is not one of the choices", f"use one of: {choices}")
    elif kind == "model_type" and plain(field.kind) is SecretRef:
        fix = "write {secret: NAME}, and set it with `pulumi config set --secret NAME`"
        words = ("must name a secret, not hold it", fix)
    elif kind in _BOUNDS:
        reason, bound, beyond = _BOUNDS[kind]
        words = (reason, f"use {context[bound]} or {beyond}")
    elif kind in _TYPES:
        words = _wrong_type(kind, field, given)
    return words


def _wrong_type(kind: str, field: _Field, given: Any) -> tuple[str, str]:
    wanted, fix = _TYPES[kind]
    if kind == "string_type" and isinstance(given, list | dict | None):
        fix = f"write one: {_lower(field.meaning)}" if field.meaning else "write one text"
    return f"must be {wanted}, not {_found(given)}", fix


_BOUNDS = {
    "greater_than_equal": ("is too small", "ge", "more"),
    "less_than_equal": ("is too large", "le", "less"),
}
_TYPES = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write it in digits, without quotes"),
    "bool_type": ("true or false", "write true or false, without quotes"),
    "tuple_type": ("a list", "write it as [one, two] or as lines that begin with -"),
    "dict_type": ("a mapping", "write it as key: value"),
    "model_type": ("a mapping", "write it as key: value"),
}


def _found(given: Any) -> str:
    if isinstance(given, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(given), "empty" if given is None else "this")


def _lower(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].rstrip(".")
    return first if first[:2].isupper() else first[:1].lower() + first[1:]
