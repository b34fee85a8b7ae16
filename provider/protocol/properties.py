"""Parse the properties that Pulumi's engine sends: the plugin's settings, tasks, secrets and charts."""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from provider.model import Chart, Settings, Task

Properties = Mapping[str, Any]


def parse_settings(properties: Properties) -> Settings:
    """Parse the plugin's settings.

    Return empty settings if Pulumi does not know the settings yet, as in some previews.
    """
    text = str(properties.get("settings") or "{}")
    return Settings() if text == UNKNOWN else Settings.model_validate_json(text)


def parse_task(properties: Properties) -> Task:
    """Parse a task from the inputs or the state of a task resource."""
    return Task.model_validate({k: value for k, value in properties.items() if k not in ("done", "output", "drift")})


def parse_chart(properties: Properties) -> Chart:
    """Parse a chart from the inputs or the state of a chart resource."""
    return Chart.model_validate({key: value for key, value in properties.items() if key != "path"})


def needs_rerun(properties: Properties, old: Properties) -> bool:
    """Return whether a task must run again, because its last run failed or its scripts or inputs changed."""
    return not old.get("done") or parse_task(properties).needs_rerun(parse_task(old))


def generate_secret(properties: Properties, *, preview: bool) -> str:
    """Generate the value of a secret; in a preview, return Pulumi's marker for an unknown value."""
    return UNKNOWN if preview else secrets.token_hex(int(properties["bytes"]))


def drift_checks_enabled() -> bool:
    """Return whether drift checks are enabled.

    The environment variable `HOMELAB_DRIFT=off` disables drift checks if Pulumi cannot reach the machines, as in CI.
    """
    return os.environ.get("HOMELAB_DRIFT") != "off"


def deletes_unreachable() -> bool:
    """Return whether `HOMELAB_DELETE_UNREACHABLE=true` lets homelab skip the undo steps on unreachable machines."""
    return os.environ.get("HOMELAB_DELETE_UNREACHABLE") == "true"
