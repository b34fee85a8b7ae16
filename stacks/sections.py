"""Configuration in sections, each a key of our namespace with a model: checked whole, all mistakes at once."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pydantic import ValidationError

from components.model import LENIENT, NAMESPACE, Model
from stacks import stackfile
from stacks.problems import Loc, Problem, SettingsError, explain, path
from stacks.secrets import NAME_IT, keys, unset

Relations = Callable[[Mapping[str, Any]], Iterator[tuple[Loc, str, str]]]
"""From the sections as far as they are right, by key: where (from the section's key down), the reason, the fix."""

_HELD = "holds a secret in its place"


@dataclass(frozen=True)
class Section:
    """A key of the configuration; without `advice` it may be left out."""

    key: str
    model: type[Model]
    advice: str = ""


def parse(
    config: Mapping[str, Any], secrets: Collection[str], sections: Sequence[Section], relations: Relations
) -> dict[str, Model]:
    """Check our namespace's keys, given without prefix, and return the sections. Raises `SettingsError`."""
    known = [section.key for section in sections]
    held = sorted(set(known) & set(secrets))
    if held:
        raise SettingsError([Problem(f"{NAMESPACE}:{key}", "holds a secret somewhere inside", NAME_IT) for key in held])
    raw = {key: value for key, value in config.items() if key not in secrets}
    needed = {section.key: section.advice for section in sections if section.advice}
    found = [problem for section in sections if section.key in raw for problem in _fields(section, raw)]
    problems = dict.fromkeys((*keys(raw, secrets, known, needed), *found, *_between(sections, raw, secrets, relations)))
    if problems:
        raise SettingsError(problems)
    return {section.key: section.model.model_validate(raw[section.key]) for section in sections if section.key in raw}


def given() -> tuple[dict[str, Any], set[str]]:
    """Return our namespace's keys in the running program without prefix, and the names of its secrets."""
    names = {*pulumi.runtime.get_config_env(), *pulumi.runtime.config.CONFIG.get()}
    ours = {name.partition(":")[2]: name for name in names if name.startswith(f"{NAMESPACE}:")}
    hidden = pulumi.runtime.get_config_secret_keys_env()
    secrets = {key for key, name in ours.items() if pulumi.runtime.is_config_secret(name) or name in hidden}
    return {key: _decoded(pulumi.runtime.get_config(ours[key])) for key in sorted(ours.keys() - secrets)}, secrets


def _decoded(value: Any) -> Any:
    """Pulumi hands structured values over as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _fields(section: Section, raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the fields of one section."""
    held: list[Loc] = list(stackfile.ciphertexts(raw[section.key], (section.key,)))
    yield from (Problem(path(loc, raw), _HELD, NAME_IT) for loc in held)
    try:
        section.model.model_validate(raw[section.key])
    except ValidationError as error:
        places = tuple(path(loc, raw).partition(" ")[0] for loc in held)
        problems = explain(error, section.model, raw, (section.key,))
        yield from (problem for problem in problems if not problem.path.startswith(places or " "))


def _between(
    sections: Sequence[Section], raw: Mapping[str, Any], secrets: Collection[str], relations: Relations
) -> Iterator[Problem]:
    """Yield what is wrong between those fields that are right, and with the secrets they name."""
    known = {
        section.key: section.model.model_validate(raw[section.key], context=LENIENT)
        for section in sections
        if isinstance(raw.get(section.key), Mapping)
    }
    yield from (Problem(path(loc, raw), reason, fix) for loc, reason, fix in relations(known))
    for key, settings in known.items():
        yield from unset(settings, key, raw, secrets)
