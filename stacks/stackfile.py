"""Reads stack files (`Pulumi.<stack>.yaml`) without Pulumi."""

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from components.settings.errors import SettingPath
from components.settings.model import NAMESPACE
from stacks import yaml_text
from stacks.validation_errors import Problem, SettingsError


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
    secrets = {name for name, value in settings.items() if is_ciphertext(value)}
    return {name: value for name, value in settings.items() if name not in secrets}, secrets


def stack_name(file: Path) -> str:
    """Return the name of the stack, which is part of the stack file's name."""
    return file.name.removeprefix("Pulumi.").removesuffix(".yaml")


def short_name(stack: str) -> str:
    """Return the name of a stack without its organization and project."""
    return stack.rpartition("/")[2]


def ciphertext_paths(value: Any, loc: SettingPath) -> Iterator[SettingPath]:
    """Yield the path of each encrypted secret inside a configuration value."""
    if is_ciphertext(value):
        yield loc
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from ciphertext_paths(inner, (*loc, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ciphertext_paths(inner, (*loc, index))


def is_ciphertext(value: Any) -> bool:
    """Whether a value of the stack file is a secret that Pulumi has encrypted."""
    return isinstance(value, Mapping) and set(value) == {"secure"}


def _document(file: Path) -> dict[str, Any]:
    text = _text(file)
    try:
        yaml_text.check(file.name, text)
        document = yaml_text.load(text)
    except DuplicateKeyError as error:
        place = f"{file.name}:{error.problem_mark.line + 1}"
        raise SettingsError([Problem(place, "repeats a key of the same mapping", "keep one of them")]) from None
    except YAMLError as error:
        raise SettingsError([yaml_text.syntax_problem(file.name, text, error)]) from None
    except ValueError:
        raise SettingsError([Problem(file.name, "contains an invalid number", "put the value in quotes")]) from None
    if not isinstance(document, dict):
        raise SettingsError([Problem(file.name, "is not a stack file", "begin it with config:")])
    if "config" not in document and (key := next((key for key in document if _is_own(key)), None)):
        raise SettingsError(
            [Problem(file.name, "has no key config", f"begin the file with config:, and indent {key} under config:")]
        )
    return document


def _is_own(key: object) -> bool:
    return isinstance(key, str) and re.fullmatch(f"{NAMESPACE}:[A-Za-z]{{1,40}}", key) is not None


def _text(file: Path) -> str:
    """Return the text of the stack file. Raises `SettingsError` with the cause if the file cannot be read."""
    try:
        content = file.read_bytes()
    except OSError as error:
        reason, fix = _CANNOT_READ.get(type(error), ("cannot be read", "give the path of a Pulumi.<stack>.yaml"))
        raise SettingsError([Problem(str(file), reason, fix)]) from None
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise SettingsError([Problem(file.name, "is UTF-16 text", "save the file as UTF-8")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SettingsError([Problem(f"{file.name}:{line}", "is not UTF-8 text", "save the file as UTF-8")]) from None


_CANNOT_READ = {
    FileNotFoundError: ("does not exist", "give the path of a Pulumi.<stack>.yaml"),
    IsADirectoryError: ("is a folder", "give the path of a Pulumi.<stack>.yaml"),
    PermissionError: ("is not readable by your user", "change the permissions of the file"),
}
