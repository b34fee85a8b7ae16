"""Translate old script names in Pulumi's state, so that Pulumi shows no changes after the scripts were moved.

A Pulumi state from before the scripts were moved contains old script names, and digests of the old script texts.
`renamed_scripts.json` maps old names and digests to the names and digests of the release that moved the scripts. The
release that moved the scripts did not change the scripts' behaviour. If a later release changes a script, the digests
of all tasks with this script change, and these tasks run again. `renamed_scripts.json` contains the digests of all
tasks that homelab registers for the stack files in `tests/settings/valid`, `samples` and `tests/contracts/cases`.

A later release renamed `platform/refuse-data-loss.sh`, which only undo steps run. Digests do not contain the scripts of
undo steps, so this rename needs only a new name.

Pulumi stores a task's new properties only when Pulumi updates the task. Until Pulumi first updates a task, the task's
outputs in Pulumi's state contain old script names. When `lib.sh` changes, Pulumi updates every task that has undo
steps. After one release has changed `lib.sh`, a later release can remove this module and `renamed_scripts.json`. A lab
with old script names in Pulumi's state must be updated to a release with this module before any later release.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from provider.protocol.properties import Properties


def from_state(properties: Properties) -> dict[str, Any]:
    """Replace old script names and old digests in a resource's properties from Pulumi's state."""
    names, digests = _renamed()
    current = dict(properties)
    for steps in {"run", "undo"} & current.keys():
        current[steps] = [step | {"script": names.get(step["script"], step["script"])} for step in current[steps]]
    for key, renamed in (("probe", names), ("digest", digests)):
        if key in current:
            current[key] = renamed.get(current[key], current[key])
    return current


def settings_from_state(properties: Properties) -> dict[str, Any]:
    """Read the provider's settings from Pulumi's state, and map former names of drift checks to the current ones."""
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
    """Return two mappings: from old to new script names, and from old to new digests."""
    pairs = json.loads(Path(__file__).with_suffix(".json").read_text())
    return pairs["names"], pairs["digests"]
