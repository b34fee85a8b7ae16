"""The configuration of a stack: read once, checked whole, every mistake reported at once."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pulumi
from pydantic import ValidationError

from components.lab import ClusterSettings
from components.model import LENIENT, NAMESPACE
from stacks import stackfile
from stacks.catalog import K3S
from stacks.checks import relations
from stacks.problems import Loc, Problem, SettingsError, explain, path
from stacks.secrets import KEYS, NAME_IT, keys, unset

__all__ = ["NAMESPACE", "Problem", "Settings", "SettingsError"]

_HELD = "holds a secret in its place"


@dataclass(frozen=True)
class Settings:
    """Everything that the stack file says, valid."""

    cluster: ClusterSettings

    @classmethod
    def parse(cls, config: Mapping[str, object], secrets: Collection[str], stack: str) -> Self:
        """Check our namespace's keys, given without prefix, and return them. Raises `SettingsError`."""
        held = sorted(set(KEYS) & set(secrets))
        if held:
            raise SettingsError(
                [Problem(f"{NAMESPACE}:{key}", "holds a secret somewhere inside", NAME_IT) for key in held]
            )
        raw = _with_defaults({key: value for key, value in config.items() if key not in secrets}, stack)
        problems = dict.fromkeys((*keys(raw, secrets), *_cluster(raw, secrets)))
        if problems:
            raise SettingsError(problems)
        return cls(ClusterSettings.model_validate(raw["cluster"]))

    @classmethod
    def load(cls) -> Self:
        """Read the configuration of the running program. A wrong one ends it with one message."""
        names = {*pulumi.runtime.get_config_env(), *pulumi.runtime.config.CONFIG.get()}
        ours = {name.partition(":")[2]: name for name in names if name.startswith(f"{NAMESPACE}:")}
        hidden = pulumi.runtime.get_config_secret_keys_env()
        secrets = {key for key, name in ours.items() if pulumi.runtime.is_config_secret(name) or name in hidden}
        config = {key: _decoded(pulumi.runtime.get_config(ours[key])) for key in sorted(ours.keys() - secrets)}
        try:
            return cls.parse(config, secrets, pulumi.get_stack())
        except SettingsError as error:
            heading = f"the configuration of stack {pulumi.get_stack()} is wrong; nothing was touched:"
            raise pulumi.RunError("\n  ".join((heading, *map(str, error.problems)))) from None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a `Pulumi.<stack>.yaml` without Pulumi. Raises `SettingsError`."""
        config, secrets = stackfile.read(file)
        return cls.parse(config, secrets, stackfile.stack_of(file))


def _decoded(value: Any) -> Any:
    """Pulumi hands structured values over as JSON text."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        return value


def _with_defaults(config: dict[str, Any], stack: str) -> dict[str, Any]:
    """Fill in what the models cannot know: the stack's name, and the release that the catalog pins."""
    cluster = config.get("cluster")
    if not isinstance(cluster, Mapping):
        return config
    k3s = cluster.get("k3s", {})
    k3s = {"version": K3S} | dict(k3s) if isinstance(k3s, Mapping) else k3s
    return config | {"cluster": {"name": stack} | dict(cluster) | {"k3s": k3s}}


def _cluster(raw: Mapping[str, Any], secrets: Collection[str]) -> Iterator[Problem]:
    """Yield what is wrong with the fields, then with the relations between those that are right."""
    if "cluster" not in raw:
        return
    held: list[Loc] = list(stackfile.ciphertexts(raw["cluster"], ("cluster",)))
    yield from (Problem(path(loc, raw), _HELD, NAME_IT) for loc in held)
    try:
        ClusterSettings.model_validate(raw["cluster"])
    except ValidationError as error:
        places = tuple(path(loc, raw).partition(" ")[0] for loc in held)
        problems = explain(error, ClusterSettings, raw, ("cluster",))
        yield from (problem for problem in problems if not problem.path.startswith(places or " "))
    known = ClusterSettings.model_validate(raw["cluster"], context=LENIENT)
    if isinstance(raw["cluster"], Mapping):
        yield from (Problem(path(("cluster", *loc), raw), reason, fix) for loc, reason, fix in relations(known))
        yield from unset(known, raw, secrets)
