"""Settings fixtures: whole stack files that are valid, and small changes to them that are not."""

import copy
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stacks import stackfile
from stacks.settings import LabStack

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "Pulumi.homelab.yaml"
SAMPLES = [SAMPLE, *sorted((ROOT / "samples").glob("Pulumi.*.yaml"))]
"""Stack files that users start with."""
VALID = sorted((ROOT / "tests/settings/valid").glob("*.yaml"))
INVALID_APPS = sorted((ROOT / "tests/settings/invalid-apps").glob("*.yaml"))
WARNED = sorted((ROOT / "tests/settings/warned").glob("*.yaml"))
"""Changes that are accepted with warnings."""
INVALID = sorted((ROOT / "tests/settings/invalid").glob("*.yaml"))


def expected_report(fixture: Path) -> list[str]:
    """Return the report that the fixture's first comment lines state."""
    lines = fixture.read_text().splitlines()
    count = next(index for index, line in enumerate(lines) if not line.startswith("# "))
    return [line.removeprefix("# ") for line in lines[:count]]


def parse_fixture(fixture: Path) -> LabStack:
    """Parse a fixture: a change to a valid one where it names a base, else a stack file."""
    if not re.search("^base: ", fixture.read_text(), re.MULTILINE):
        return LabStack.read(fixture)
    patch = YAML(typ="safe", pure=True).load(fixture)
    config, secrets = stackfile.read(ROOT / f"tests/settings/valid/{patch.pop('base')}.yaml")
    for place, value in patch.pop("change", {}).items():
        _set(config, place if place.startswith("platform") else f"cluster.{place}", value)
    for place in patch.pop("remove", []):
        _remove(config, place)
    config |= patch.pop("config", {})
    secrets = set(patch.pop("secrets", secrets))
    stack = patch.pop("stack", "lab")
    assert not patch, f"unknown keys in {fixture.name}"
    return LabStack.parse(config, secrets, stack)


def _steps(place: str) -> list[str | int]:
    return [int(number) if number else word for number, word in re.findall(r"\[(\d+)\]|([^.\[\]]+)", place)]


def _set(tree: Any, place: str, value: Any) -> None:
    *parents, last = _steps(place)
    for step in parents:
        tree = tree.setdefault(step, {}) if isinstance(tree, dict) else tree[step]
    if isinstance(tree, list) and last == len(tree):
        tree.append(copy.deepcopy(value))
    else:
        tree[last] = copy.deepcopy(value)


def _remove(tree: Any, place: str) -> None:
    *parents, last = _steps(place)
    for step in parents:
        tree = tree[step]
    del tree[last]
