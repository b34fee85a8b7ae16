"""Validate a chart's Helm values: reject unknown top-level keys, and keys that the chart's JSON schema forbids."""

import asyncio
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from provider.charts import archives
from provider.charts.contents import matching_files
from provider.charts.repository import StringLoader, one_line
from provider.errors import TaskError
from provider.model import Chart

_FILES = ("values.schema.json", "values.yaml", "Chart.yaml")
_COMMENTED_OUT = re.compile(r'^#+ ?"?([\w.-]+)"?:(?:\s|$)', re.MULTILINE)
"""A commented-out key of the top level in `values.yaml`."""


async def validate(chart: Chart) -> None:
    """Reject keys in the stack file's Helm values that the chart does not have. Raises TaskError."""
    keys = await asyncio.to_thread(refused_keys, chart) if chart.keys else {}
    if keys:
        lines = (f"  {key}" + (f"; did you mean {similar}?" if similar else "") for key, similar in keys.items())
        path = f"homelab:platform.values.{chart.name}"
        raise TaskError("\n".join((f"{path}: version {chart.version} of the chart has no such values:", *lines)))


def refused_keys(chart: Chart) -> dict[str, str]:
    """Return the keys of the user's Helm values that the chart does not have, each with similar valid keys.

    Raises TaskError. homelab rejects a nested key only if the chart's JSON schema forbids the key, because Helm
    templates may use nested values that values.yaml does not list. This call blocks.
    """
    url, archive = archives.read_or_fetch(chart)
    pattern = rf"{re.escape(chart.name)}/({'|'.join(map(re.escape, _FILES))})"
    texts = {path.partition("/")[2]: text for path, text in matching_files(url, archive, pattern)}
    schema, defaults, meta = (_parse(url, name, texts.get(name, "")) for name in _FILES)
    top = _dereferenced(schema, schema)
    known = {"global", "tags", *top.get("properties", {}), *defaults}
    known.update(_COMMENTED_OUT.findall(texts.get("values.yaml", "")))
    for dependency in meta.get("dependencies") or ():
        known.update(dependency[field] for field in ("name", "alias") if field in dependency)
    refused = {}
    for key in chart.keys:
        if key[0] not in known and top.get("additionalProperties", False) is False:
            refused[key[0]] = ", ".join(difflib.get_close_matches(key[0], sorted(known), n=3))
        elif _forbids(schema, key):
            refused[".".join(key)] = ""
    return refused


def _forbids(root: Any, key: Sequence[str]) -> bool:
    """Return whether the JSON schema `root` forbids a value at the path `key`.

    The function evaluates only the schema keywords `$ref`, `type`, `properties`, `patternProperties` and
    `additionalProperties`.
    """
    schema = root
    for part in key:
        schema = _dereferenced(schema, root)
        if not isinstance(schema, Mapping) or "patternProperties" in schema:
            return False
        if "object" not in schema.get("type", "object"):
            return True
        schema = schema.get("properties", {}).get(part, schema.get("additionalProperties"))
        if schema is False:
            return True
    return False


def _dereferenced(schema: Any, root: Any) -> Any:
    """Resolve the `$ref` of a JSON schema within the schema `root`; return a schema without a `$ref` unchanged."""
    if not isinstance(schema, Mapping) or "$ref" not in schema:
        return schema
    part = root
    for name in schema["$ref"].split("/")[1:]:  # a JSON pointer, such as #/$defs/NAME
        part = part.get(name, {}) if isinstance(part, Mapping) else {}
    return part


def _parse(url: str, name: str, text: str) -> Mapping[str, Any]:
    """Parse a YAML or JSON file of the chart; an empty file yields an empty mapping. Raises TaskError."""
    try:
        content = json.loads(text or "{}") if name.endswith(".json") else yaml.load(text, StringLoader)  # noqa: S506
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise TaskError(f"{url}: {name} cannot be read: {one_line(error)}") from error
    return content if isinstance(content, Mapping) else {}
