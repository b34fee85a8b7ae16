"""Whether a chart knows the values it is given: those of its `values.yaml`, in comments too, and of its schema."""

import asyncio
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from . import archives
from .charts import files
from .errors import TaskError
from .model import Chart
from .repository import Loader

Tree = Mapping[str, Any]


async def check(chart: Chart) -> None:
    """Make sure that the chart knows the keys of its values. Raises TaskError."""
    wrong = await asyncio.to_thread(lambda: list(unknown(chart))) if chart.keys else []
    if wrong:
        lines = (f"  {key}" + (f"; did you mean {near}?" if near else "") for key, near in wrong)
        where = f"homelab:platform.values.{chart.name}"
        raise TaskError("\n".join((f"{where}: the chart {chart.version} knows no such values:", *lines)))


def unknown(chart: Chart) -> Iterator[tuple[str, str]]:
    """Yield each of the chart's `keys` that it does not know, dotted, and what may be meant; blocks. Raises TaskError.

    A chart whose schema says that it takes any value knows them all, and so does a mapping that is empty in it.
    """
    url, archive = archives.read(chart)
    wanted = rf"{re.escape(chart.name)}(/charts/[^/]+)*/(values\.yaml|values\.schema\.json|Chart\.yaml)"
    found = dict(files(url, archive, wanted))
    schema = _read(url, f"{chart.name}/values.schema.json", found)
    if schema.get("additionalProperties") is True:
        return
    defaults = _defaults(url, chart.name, found)
    shown = {key for text in found.values() for key in re.findall(r"^[\s#-]*\"?([\w.-]+)\"?:", text, re.MULTILINE)}
    for key in chart.keys:
        if (at := _stranger(key, defaults, schema)) and key[at - 1] not in shown:
            yield ".".join(key[:at]), _nearest(key[:at], defaults)


def _stranger(key: Sequence[str], defaults: Tree, schema: Tree) -> int:
    """How many steps into a key the first is that neither values nor schema have; 0 where all are known."""
    for at, step in enumerate(key, 1):
        named = schema.get("properties", {})
        if step not in defaults and step not in named:
            return at
        inner, schema = defaults.get(step), named.get(step, {})
        if not (isinstance(inner, Mapping) and inner) and not schema.get("properties"):
            return 0  # what is below is free
        defaults = inner if isinstance(inner, Mapping) else {}
    return 0


def _nearest(key: Sequence[str], defaults: Tree) -> str:
    for step in key[:-1]:
        inner = defaults.get(step)
        defaults = inner if isinstance(inner, Mapping) else {}
    return ", ".join(difflib.get_close_matches(key[-1], list(defaults), n=3))


def _defaults(url: str, folder: str, found: Mapping[str, str]) -> dict[str, Any]:
    """The values of a chart over those of its sub-charts, which stand under their names, or aliases."""
    below: dict[str, Any] = {}
    for name in sorted({path.removeprefix(f"{folder}/charts/").partition("/")[0] for path in found
                        if path.startswith(f"{folder}/charts/")}):  # fmt: skip
        below[name] = _defaults(url, f"{folder}/charts/{name}", found)
    for each in _read(url, f"{folder}/Chart.yaml", found).get("dependencies") or ():
        if each.get("alias") and each.get("name") in below:
            below[each["alias"]] = below[each["name"]]
    return _over(below, _read(url, f"{folder}/values.yaml", found))


def _over(under: Tree, over: Tree) -> dict[str, Any]:
    both = {key: _over(under[key], over[key]) for key in under.keys() & over.keys()
            if isinstance(under[key], Mapping) and isinstance(over[key], Mapping)}  # fmt: skip
    return {**under, **over, **both}


def _read(url: str, name: str, found: Mapping[str, str]) -> Tree:
    text = found.get(name, "")
    try:
        content = json.loads(text or "{}") if name.endswith(".json") else yaml.load(text, Loader)  # noqa: S506
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise TaskError(f"{url}: {name} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return content if isinstance(content, Mapping) else {}
