"""Checks of the text of a stack file, before homelab builds the values in the file.

Pulumi and homelab must read the same values, and no file may exhaust the program's memory or call stack.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml
from ruamel.yaml import YAML
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    ScalarEvent,
)

from components.settings.characters import invisible_character
from stacks.validation_errors import Problem, SettingsError

MAX_DEPTH = 64
"""Deepest nesting of lists and mappings in a stack file."""
_MAX_CHARACTERS = 4 * 1024 * 1024
_MAX_VALUES = 50_000
"""Largest number of keys and values, in which each alias counts as often as the file uses the alias."""
_STANDARD_TAG = "tag:yaml.org,2002:str"
_QUOTE = "if the value is text, put it in quotes; if it is a number, remove the leading zero"
_SPLIT = "remove values, or split the lab into several stacks"


def check(name: str, text: str) -> None:
    """Raise `SettingsError` if Pulumi and homelab would read different values from `text`, or could not read `text`.

    `name` is the file name for the error messages. PyYAML's parser in C needs milliseconds for deep or long
    texts, unlike the parser of ruamel.yaml.
    """
    if len(text) > _MAX_CHARACTERS:
        raise SettingsError([Problem(name, "is larger than 4 MiB", _SPLIT)])
    problems: list[Problem] = []
    scan = _Scan(name)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            problems += scan.event_problems(event)
    except yaml.YAMLError as error:
        load(text)  # if ruamel.yaml cannot parse the text either, report the error of ruamel.yaml
        raise SettingsError([syntax_problem(name, text, error)]) from None
    if problems:
        raise SettingsError(problems)


def load(text: str) -> Any:
    """Return the value in a YAML text, whose size `check` has limited. Raises `ruamel.yaml.error.YAMLError`."""
    return YAML(typ="safe", pure=True).load(text)


class _Scan:
    """Counts the values of a YAML text, event by event. Each alias counts as a copy of its value."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._open: list[tuple[str | None, int]] = []
        """Anchor of each unfinished list or mapping, and the number of values before its start."""
        self._sizes: dict[str, int] = {}
        self._count = 0

    def event_problems(self, event: Event) -> Iterator[Problem]:
        """Yield an error for each YAML feature and scalar that Pulumi and homelab read as different values.

        Raises `SettingsError` at once if the text exceeds a limit.
        """
        place = f"{self.name}:{event.start_mark.line + 1 if event.start_mark else 1}"
        self._count_values(event, place)
        if isinstance(event, DocumentStartEvent) and (event.version or event.tags):
            yield Problem(place, "has a %YAML or %TAG line, which a stack file must not contain", "remove the line")
        if isinstance(event, ScalarEvent | CollectionStartEvent) and str(event.tag or "!") not in ("!", _STANDARD_TAG):
            yield Problem(place, "has a YAML tag (!), which a stack file must not contain", "remove the tag")
        elif isinstance(event, ScalarEvent) and not event.style:
            yield from _misread(place, event.value)

    def _count_values(self, event: Event, place: str) -> None:
        if isinstance(event, AliasEvent):
            if event.anchor in [anchor for anchor, _ in self._open]:
                raise SettingsError([Problem(place, "refers to itself with an alias (*)", "write the value instead")])
            self._count += self._sizes.get(event.anchor or "", 1)
        elif isinstance(event, CollectionStartEvent):
            self._open.append((event.anchor, self._count))
            self._count += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = self._open.pop()
            self._remember(anchor, self._count - before)
        elif isinstance(event, ScalarEvent):
            self._count += 1
            self._remember(event.anchor, 1)
        if len(self._open) > MAX_DEPTH:
            raise SettingsError(
                [Problem(place, f"is nested more than {MAX_DEPTH} levels deep", "remove lists or mappings")]
            )
        if self._count > _MAX_VALUES:
            reason = f"makes the file larger than {_MAX_VALUES} keys and values, where each alias (*) counts as a copy"
            raise SettingsError([Problem(place, reason, _SPLIT)])

    def _remember(self, anchor: str | None, size: int) -> None:
        if anchor:
            self._sizes[anchor] = size


def _misread(place: str, value: str) -> Iterator[Problem]:
    """Yield an error if Pulumi and homelab would read an unquoted scalar as different values."""
    if invisible := invisible_character(value[:1]):
        yield Problem(place, f"contains the invisible character {invisible}", "type the line again")
    elif re.fullmatch("[-+]?0[0-9_]+", value):
        yield Problem(place, "is a number with a leading zero, which Pulumi reads as octal", _QUOTE)
    elif re.fullmatch("[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?", value):
        yield Problem(place, "is a date, which Pulumi converts to another format", "put it in quotes")
    elif re.fullmatch("[-+]?([0-9][0-9_]{18,}|0x[0-9A-Fa-f_]{17,}|0o[0-7_]{19,}|0b[01_]{64,})", value):
        yield Problem(place, "is a number of more than 18 digits, which Pulumi rounds", "put it in quotes")
    elif _is_infinite(value):
        fix = "if the value is text, put it in quotes; if it is a number, write a smaller one"
        yield Problem(place, "is not a finite number", fix)


def _is_infinite(value: str) -> bool:
    if re.fullmatch(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", value):
        return True
    number = re.fullmatch(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]{1,20}", value)
    return number is not None and float(value.replace("_", "")) in (float("inf"), float("-inf"))


def syntax_problem(name: str, text: str, error: Exception) -> Problem:
    """Return the error for invalid YAML. The error contains the line number, but not the text of the line."""
    mark = getattr(error, "problem_mark", None)
    lines = text.splitlines()
    near = range(max(mark.line - 1, 0), min(mark.line + 1, len(lines))) if mark else range(len(lines))
    for number in near:
        place = f"{name}:{number + 1}"
        if invisible := invisible_character(lines[number]):
            return Problem(place, f"contains the invisible character {invisible}", "type the line again")
        if re.match(" *\t", lines[number]):
            return Problem(place, "is indented with a tab, which YAML does not allow", "use spaces")
    place = f"{name}:{mark.line + 1}" if mark else name
    return Problem(place, "is not valid YAML", "fix indentation, quotes or colons in this line or the previous line")
