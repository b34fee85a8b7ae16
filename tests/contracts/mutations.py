"""Small changes to data, each of which breaks something."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.contracts.schemas import Place, Schema

Mutation = tuple[Place, Any]
"""The place that was changed, and the data with the change."""


def misspelt(tree: Any, whole: Any = None, place: Place = ()) -> Iterator[Mutation]:
    """Yield the data once for each of its keys, with that key misspelt."""
    whole = tree if whole is None else whole
    for key, value in _inner(tree):
        if isinstance(key, str):
            broken, parent = _copied(whole, place)
            parent[f"{key}x"] = parent.pop(key)
            yield (*place, key), broken
        yield from misspelt(value, whole, (*place, key))


def mistyped(tree: Any, whole: Any = None, place: Place = ()) -> Iterator[Mutation]:
    """Yield the data once for each of its texts, numbers and switches, with a mapping in its place."""
    whole = tree if whole is None else whole
    for key, value in _inner(tree):
        if not isinstance(value, dict | list):
            broken, parent = _copied(whole, place)
            parent[key] = {"of": "another type"}
            yield (*place, key), broken
        yield from mistyped(value, whole, (*place, key))


def lacking(tree: Any, schema: Schema, whole: Any = None, place: Place = ()) -> Iterator[Mutation]:
    """Yield the data once for each key that the schema requires, without that key."""
    whole = tree if whole is None else whole
    for key, value in _inner(tree):
        if key in schema.get("required", ()):
            broken, parent = _copied(whole, place)
            del parent[key]
            yield (*place, key), broken
        inner = schema.get("items", {}) if isinstance(key, int) else schema.get("properties", {}).get(key, {})
        yield from lacking(value, inner, whole, (*place, key))


def _inner(tree: Any) -> list[tuple[str | int, Any]]:
    if isinstance(tree, Mapping):
        return list(tree.items())
    return list(enumerate(tree)) if isinstance(tree, list) else []


def _copied(whole: Any, place: Place) -> tuple[Any, Any]:
    """A copy of the data, and what is at a place in it."""
    broken = parent = copy.deepcopy(whole)
    for key in place:
        parent = parent[key]
    return broken, parent
