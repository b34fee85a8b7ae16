"""Sections of the configuration.

Each section has a key, such as `homelab:cluster`, and a settings model. homelab reports the errors of all sections in
one message.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pydantic import ValidationError

from components.settings.errors import Findings, SettingPath
from components.settings.model import LENIENT, NAMESPACE, Model
from stacks import stackfile
from stacks.secrets import NAMING_FIX, top_level_problems, unset_secrets
from stacks.validation_errors import Problem, SettingsError, display_path, explain_errors

RelationCheck = Callable[[Mapping[str, Any]], Findings]
"""A check of the valid settings of all sections. The check yields the path (with the section's key), the reason and the
fix."""

_ENCRYPTED = "contains an encrypted value"


@dataclass(frozen=True)
class Section:
    """A section of the stack's configuration, such as `homelab:cluster`.

    `missing_fix` tells users how to add the section if it is required, and is empty if it is optional.
    """

    key: str
    model: type[Model]
    missing_fix: str = ""


def parse(
    config: Mapping[str, Any], secrets: Collection[str], sections: Sequence[Section], relations: RelationCheck
) -> dict[str, Model]:
    """Validate the stack's configuration, whose keys lack the prefix `homelab:`. Raises `SettingsError`."""
    known = [section.key for section in sections]
    encrypted = sorted(set(known) & set(secrets))
    if encrypted:
        raise SettingsError(
            [Problem(f"{NAMESPACE}:{key}", "contains an encrypted value", NAMING_FIX) for key in encrypted]
        )
    raw = {key: value for key, value in config.items() if key not in secrets}
    needed = {section.key: section.missing_fix for section in sections if section.missing_fix}
    field_problems = [problem for section in sections if section.key in raw for problem in _fields(section, raw)]
    relation_problems = _relation_problems(sections, raw, secrets, relations)
    problems = dict.fromkeys((*top_level_problems(raw, secrets, known, needed), *field_problems, *relation_problems))
    if problems:
        raise SettingsError(problems)
    return {section.key: section.model.model_validate(raw[section.key]) for section in sections if section.key in raw}


def read_running_config() -> tuple[dict[str, Any], set[str]]:
    """Return the configuration of the running stack, with keys without `homelab:`, and the names of its secrets."""
    names = {*pulumi.runtime.get_config_env(), *pulumi.runtime.config.CONFIG.get()}
    full_names = {name.partition(":")[2]: name for name in names if name.startswith(f"{NAMESPACE}:")}
    hidden = pulumi.runtime.get_config_secret_keys_env()
    secrets = {key for key, name in full_names.items() if pulumi.runtime.is_config_secret(name) or name in hidden}
    config = {key: _decoded(pulumi.runtime.get_config(full_names[key])) for key in sorted(full_names.keys() - secrets)}
    return config, secrets


def _decoded(value: Any) -> Any:
    """Decode a configuration value, which Pulumi passes as JSON if it is a mapping or a list."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _fields(section: Section, raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield an error for each invalid setting in one section."""
    encrypted: list[SettingPath] = list(stackfile.ciphertext_paths(raw[section.key], (section.key,)))
    yield from (Problem(display_path(loc, raw), _ENCRYPTED, NAMING_FIX) for loc in encrypted)
    try:
        section.model.model_validate(raw[section.key])
    except ValidationError as error:
        places = tuple(display_path(loc, raw).partition(" ")[0] for loc in encrypted)
        problems = explain_errors(error, section.model, raw, (section.key,))
        yield from (problem for problem in problems if not problem.path.startswith(places or " "))


def _relation_problems(
    sections: Sequence[Section], raw: Mapping[str, Any], secrets: Collection[str], relations: RelationCheck
) -> Iterator[Problem]:
    """Yield an error for each conflict between valid settings, and for each reference to a missing secret."""
    valid = {
        section.key: section.model.model_validate(raw[section.key], context=LENIENT)
        for section in sections
        if isinstance(raw.get(section.key), Mapping)
    }
    yield from (Problem(display_path(loc, raw), reason, fix) for loc, reason, fix in relations(valid))
    for key, settings in valid.items():
        yield from unset_secrets(settings, key, raw, secrets)
