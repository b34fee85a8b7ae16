"""Translate Pulumi's state from before the scripts were moved into folders, so that the move changes no running lab.

Such a state contains the old names of scripts and the digests of their old texts. `renamed_scripts.json` maps both to
the names and digests of the release that moved the scripts, which changed no script's behaviour. A script that changes
later has another digest, so its tasks run again. The digests are those of all tasks that the program registers for the
stack files in `tests/settings/valid`, `samples` and `tests/contracts/cases`.

Pulumi stores a task's new properties only when the task is updated: until then, its outputs keep the old names. A
change of `lib.sh` updates every task that has steps to undo. This module and `renamed_scripts.json` can be removed in
a later release than the first one that changes `lib.sh`. Labs from before the move must be updated with a release that
has this module first.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

Properties = Mapping[str, Any]


def from_state(properties: Properties) -> dict[str, Any]:
    """Return a resource's properties from Pulumi's state; a task gets today's names and digest of its scripts."""
    names, digests = _renamed()
    current = dict(properties)
    for steps in {"run", "undo"} & current.keys():
        current[steps] = [step | {"script": names.get(step["script"], step["script"])} for step in current[steps]]
    for key, renamed in (("probe", names), ("digest", digests)):
        if key in current:
            current[key] = renamed.get(current[key], current[key])
    return current


def settings_from_state(properties: Properties) -> dict[str, Any]:
    """Return the plugin's settings from Pulumi's state with today's names of its drift checks."""
    text = properties.get("settings")
    if not text or text == UNKNOWN:
        return dict(properties)
    settings, (names, _) = json.loads(text), _renamed()
    if names.keys().isdisjoint(settings.get("probes", ())):
        return dict(properties)
    settings["probes"] = [names.get(probe, probe) for probe in settings["probes"]]
    return {**properties, "settings": json.dumps(settings)}


@cache
def _renamed() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Return the new names by old name, and the new digests by old digest."""
    pairs = json.loads(Path(__file__).with_suffix(".json").read_text())
    return pairs["names"], pairs["digests"]
