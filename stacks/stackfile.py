"""Reads stack files (`Pulumi.<stack>.yaml`) without Pulumi."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import ScalarEvent

from components.settings.errors import SettingPath
from components.settings.model import NAMESPACE
from stacks.validation_errors import Problem, SettingsError

_QUOTE = "put text in quotes, or write a number without the leading zero"


def read(file: Path) -> tuple[dict[str, Any], set[str]]:
    """Return the configuration in a stack file (keys without `homelab:`), and the names of its secrets.

    Raises `SettingsError`.
    """
    config = _document(file).get("config") or {}
    if not isinstance(config, Mapping):
        raise SettingsError([Problem("config", "must be a mapping", f"write {NAMESPACE}:cluster: under it")])
    settings = {}
    for key, value in config.items():
        namespace, colon, name = str(key).partition(":")
        if not colon:
            raise SettingsError([Problem(str(key), "has no namespace", f"write {NAMESPACE}:{key}")])
        if namespace == NAMESPACE:
            settings[name] = value
    secrets = {name for name, value in settings.items() if _is_ciphertext(value)}
    return {name: value for name, value in settings.items() if name not in secrets}, secrets


def stack_name(file: Path) -> str:
    """Return the name of the stack, which is part of the stack file's name."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def short_name(stack: str) -> str:
    """Return the name of a stack without its organization and project."""
    return stack.rpartition("/")[2]


def ciphertext_paths(value: Any, loc: SettingPath) -> Iterator[SettingPath]:
    """Yield the path of each encrypted secret inside a configuration value."""
    if _is_ciphertext(value):
        yield loc
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from ciphertext_paths(inner, (*loc, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ciphertext_paths(inner, (*loc, index))


def _is_ciphertext(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _document(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        document = YAML(typ="safe", pure=True).load(text)
        misread = list(_misread_scalars(file, text))
    except (OSError, UnicodeDecodeError):
        raise SettingsError([Problem(str(file), "cannot be read", "give the path of a Pulumi.<stack>.yaml")]) from None
    except YAMLError as error:
        raise SettingsError([_syntax_problem(file, error)]) from None
    if misread:
        raise SettingsError(misread)
    if not isinstance(document, dict):
        raise SettingsError([Problem(file.name, "is not a stack file", "begin it with config:")])
    return document


def _misread_scalars(file: Path, text: str) -> Iterator[Problem]:
    """Yield an error for each unquoted YAML scalar that Pulumi and homelab would read as different values."""
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, ScalarEvent) and event.style is None:
            place = f"{file.name}:{event.start_mark.line + 1}"
            if re.fullmatch("[-+]?0[0-9_]+", event.value):
                yield Problem(place, "is a number with a leading zero, which Pulumi reads as octal", _QUOTE)
            elif re.fullmatch("[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?", event.value):
                yield Problem(place, "is a date, which Pulumi converts to another format", "put it in quotes")


def _syntax_problem(file: Path, error: YAMLError) -> Problem:
    """Return the error for invalid YAML. The error contains the line number, but not the text of the line."""
    mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
    place = f"{file.name}:{mark.line + 1}" if mark else file.name
    if isinstance(error, DuplicateKeyError):
        return Problem(place, "repeats a key of the same mapping", "keep one of them")
    return Problem(place, "is not valid YAML", "fix indentation, quotes or colons in this line or the previous line")
