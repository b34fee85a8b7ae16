"""What a chart would not take of our values."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from tests.contracts import upstream
from tests.contracts.schemas import Place, Problem, Schema, Validator

OPEN = yaml.safe_load((Path(__file__).parent / "open.yaml").read_text())


def problems(chart: str, values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what the chart does not know, what is of another type than its default, and what its schema refuses."""
    schema = upstream.schema(chart)
    yield from _unknown(chart, values, upstream.values(chart), schema or {}, ())
    if schema:
        whole = upstream.merged(upstream.values(chart), values)
        yield from Validator(schema).problems(whole)


def opened(chart: str, place: Place) -> Schema | None:
    """What is known of a value that the chart leaves open; None where it does not."""
    known = _said(chart, place)
    return OPEN["*"].get(place[-1]) if known is None and place else known


def _said(chart: str, place: Place) -> Schema | None:
    """What is known of a value of this chart alone."""
    path = ".".join(map(str, place))
    for pattern, known in OPEN.get(chart, {}).items():
        if fnmatchcase(path, pattern):
            return known  # type: ignore[no-any-return]
    return None


def _unknown(chart: str, ours: Mapping[str, Any], theirs: Any, schema: Schema, place: Place) -> Iterator[Problem]:
    named = _properties(chart, schema)
    for key, value in ours.items():
        here = (*place, key)
        if key not in theirs and key not in named and _said(chart, here) is None:
            yield here, "is not known to the chart"
            continue
        default, inner = theirs.get(key), named.get(key, {})
        known = opened(chart, here)
        if known is not None:
            yield from Validator(known).problems(value, None, here)
        elif isinstance(value, Mapping) and (isinstance(default, Mapping) or _properties(chart, inner)):
            yield from _unknown(chart, value, default or {}, inner, here)
        elif _has_mappings(value) and not _properties(chart, inner.get("items", {})):
            yield here, "is left open by the chart: say in open.yaml what is known of it"
        elif default is not None and _family(value) is not _family(default):
            yield here, f"is of another type than the chart's own {default!r}"


def _properties(chart: str, schema: Schema) -> Mapping[str, Any]:
    root = upstream.schema(chart) or {}
    found: Mapping[str, Any] = Validator(root).followed(schema).get("properties", {})
    return found


def _has_mappings(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_has_mappings, value)))


def _family(value: Any) -> type:
    return float if type(value) is int else type(value)
