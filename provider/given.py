"""What the engine's properties say: the plugin's settings, a task, a secret to be made."""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from .model import Chart, Settings, Task

Properties = Mapping[str, Any]


def settings(properties: Properties) -> Settings:
    """The plugin's settings; none while they are not known yet."""
    text = str(properties.get("settings") or "{}")
    return Settings() if text == UNKNOWN else Settings.model_validate_json(text)


def task(properties: Properties) -> Task:
    """The task, of inputs or of what was stored."""
    return Task.model_validate({key: of for key, of in properties.items() if key not in ("done", "output", "drift")})


def chart(properties: Properties) -> Chart:
    """The chart, of inputs or of what was stored."""
    return Chart.model_validate({key: of for key, of in properties.items() if key != "path"})


def reruns(properties: Properties, old: Properties) -> bool:
    """Whether a task has work to do, after what was stored of it."""
    return not old.get("done") or task(properties).reruns(task(old))


def secret(properties: Properties, *, preview: bool) -> str:
    """The value of a secret, made now."""
    return UNKNOWN if preview else secrets.token_hex(int(properties["bytes"]))


def looking() -> bool:
    """Whether machines are looked at; it is switched off where they are out of reach for sure."""
    return os.environ.get("HOMELAB_DRIFT") != "off"


def deletes_unreachable() -> bool:
    """Whether what nobody can undo any more is removed from the state all the same, as its owner decided."""
    return os.environ.get("HOMELAB_DELETE_UNREACHABLE") == "true"
