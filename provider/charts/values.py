"""Validate that a chart has the Helm values set for it: in `values.yaml`, comments included, or in its schema."""

import asyncio
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from provider.charts import archives
from provider.charts.contents import matching_files
from provider.charts.repository import StringLoader
from provider.errors import TaskError
from provider.model import Chart

Tree = Mapping[str, Any]


async def check(chart: Chart) -> None:
    """Validate that the chart has the values set for it in the stack file. Raises TaskError."""
    keys = await asyncio.to_thread(lambda: list(unknown(chart))) if chart.keys else []
    if keys:
        lines = (f"  {key}" + (f"; did you mean {similar}?" if similar else "") for key, similar in keys)
        path = f"homelab:platform.values.{chart.name}"
        raise TaskError("\n".join((f"{path}: the chart {chart.version} has no such values:", *lines)))


def unknown(chart: Chart) -> Iterator[tuple[str, str]]:
    """Yield each unknown value of the chart's `keys` as dotted path, with similar known keys; blocks.

    Every value is known if the chart's schema allows additional properties or the parent mapping is empty by default.
    Raises TaskError.
    """
    url, archive = archives.read_or_fetch(chart)
    pattern = rf"{re.escape(chart.name)}(/charts/[^/]+)*/(values\.yaml|values\.schema\.json|Chart\.yaml)"
    texts = dict(matching_files(url, archive, pattern))
    schema = _read(url, f"{chart.name}/values.schema.json", texts)
    if schema.get("additionalProperties") is True:
        return
    defaults = _defaults(url, chart.name, texts)
    mentioned = {key for text in texts.values() for key in re.findall(r"^[\s#-]*\"?([\w.-]+)\"?:", text, re.MULTILINE)}
    for key in chart.keys:
        if (depth := _unknown_depth(key, defaults, schema)) and key[depth - 1] not in mentioned:
            yield ".".join(key[:depth]), _nearest(key[:depth], defaults)


def _unknown_depth(key: Sequence[str], defaults: Tree, schema: Tree) -> int:
    """Return the depth (from 1) of the key's first part that values and schema do not have; 0 if all are known."""
    for depth, part in enumerate(key, 1):
        properties = schema.get("properties", {})
        if part not in defaults and part not in properties:
            return depth
        inner, schema = defaults.get(part), properties.get(part, {})
        if not (isinstance(inner, Mapping) and inner) and not schema.get("properties"):
            return 0  # any value is allowed below
        defaults = inner if isinstance(inner, Mapping) else {}
    return 0


def _nearest(key: Sequence[str], defaults: Tree) -> str:
    """List up to three keys of the same mapping that are similar to the last part of `key`."""
    for part in key[:-1]:
        inner = defaults.get(part)
        defaults = inner if isinstance(inner, Mapping) else {}
    return ", ".join(difflib.get_close_matches(key[-1], list(defaults), n=3))


def _defaults(url: str, folder: str, texts: Mapping[str, str]) -> dict[str, Any]:
    """Merge a chart's default values over those of its sub-charts, which are keyed by name or alias."""
    subcharts: dict[str, Any] = {}
    for name in sorted({path.removeprefix(f"{folder}/charts/").partition("/")[0] for path in texts
                        if path.startswith(f"{folder}/charts/")}):  # fmt: skip
        subcharts[name] = _defaults(url, f"{folder}/charts/{name}", texts)
    for dependency in _read(url, f"{folder}/Chart.yaml", texts).get("dependencies") or ():
        if dependency.get("alias") and dependency.get("name") in subcharts:
            subcharts[dependency["alias"]] = subcharts[dependency["name"]]
    return _merged(subcharts, _read(url, f"{folder}/values.yaml", texts))


def _merged(base: Tree, overrides: Tree) -> dict[str, Any]:
    """Merge two trees of values recursively; `overrides` wins."""
    both = {key: _merged(base[key], overrides[key]) for key in base.keys() & overrides.keys()
            if isinstance(base[key], Mapping) and isinstance(overrides[key], Mapping)}  # fmt: skip
    return {**base, **overrides, **both}


def _read(url: str, name: str, texts: Mapping[str, str]) -> Tree:
    """Parse a YAML or JSON file of the chart; empty if it is missing or no mapping. Raises TaskError."""
    text = texts.get(name, "")
    try:
        content = json.loads(text or "{}") if name.endswith(".json") else yaml.load(text, StringLoader)  # noqa: S506
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise TaskError(f"{url}: {name} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return content if isinstance(content, Mapping) else {}
