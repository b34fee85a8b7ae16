"""Sections of the configuration.

Each section has a key, such as `homelab:cluster`, and a settings model. One message reports all invalid settings. When
all settings are valid, one message reports all conflicts between settings.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pydantic import ValidationError

from components.settings.errors import Findings, SettingPath
from components.settings.model import NAMESPACE, Model
from stacks import stackfile
from stacks.secrets import NAMING_FIX, top_level_problems, unset_secrets
from stacks.validation_errors import Problem, SettingsError, display_path, explain_errors
from stacks.yaml_text import MAX_DEPTH

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
    if encrypted_sections := sorted(set(known) & set(secrets)):
        raise SettingsError([Problem(f"{NAMESPACE}:{key}", _ENCRYPTED, NAMING_FIX) for key in encrypted_sections])
    raw = {key: value for key, value in config.items() if key not in secrets}
    if too_deep := [key for key in known if _is_deeper(raw.get(key), MAX_DEPTH)]:
        reason = f"is nested more than {MAX_DEPTH} levels deep"
        raise SettingsError([Problem(f"{NAMESPACE}:{key}", reason, "remove lists or mappings") for key in too_deep])
    needed = {section.key: section.missing_fix for section in sections if section.missing_fix}
    problems = list(top_level_problems(raw, secrets, known, needed))
    settings: dict[str, Model] = {}
    present = [section for section in sections if section.key in raw]
    for section in present:
        encrypted = list(stackfile.ciphertext_paths(raw[section.key], (section.key,)))
        problems += [Problem(display_path(loc, raw), _ENCRYPTED, NAMING_FIX) for loc in encrypted]
        try:
            settings[section.key] = section.model.model_validate(raw[section.key])
        except ValidationError as error:
            problems += _field_problems(error, section, raw, encrypted)
    if len(settings) == len(present):
        problems += dict.fromkeys(_relation_problems(settings, raw, secrets, relations))
    if problems:
        raise SettingsError(problems)
    return settings


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and mappings in the value are nested deeper than `depth` levels."""
    if isinstance(value, Mapping):
        return depth == 0 or any(_is_deeper(inner, depth - 1) for inner in value.values())
    return isinstance(value, list) and (depth == 0 or any(_is_deeper(inner, depth - 1) for inner in value))


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
    except (ValueError, RecursionError):  # plain text, a number with thousands of digits, or thousands of brackets
        return value


def _field_problems(
    error: ValidationError, section: Section, raw: Mapping[str, Any], encrypted: Sequence[SettingPath]
) -> Iterator[Problem]:
    """Yield an error for each invalid setting in one section, except for encrypted values."""
    places = tuple(display_path(loc, raw).partition(" ")[0] for loc in encrypted)
    problems = explain_errors(error, section.model, raw, (section.key,))
    yield from (problem for problem in problems if not problem.path.startswith(places or " "))


def _relation_problems(
    settings: Mapping[str, Model], raw: Mapping[str, Any], secrets: Collection[str], relations: RelationCheck
) -> Iterator[Problem]:
    """Yield an error for each conflict between settings, and for each reference to a missing secret."""
    yield from (Problem(display_path(loc, raw), reason, fix) for loc, reason, fix in relations(settings))
    for key, model in settings.items():
        yield from unset_secrets(model, key, raw, secrets)
