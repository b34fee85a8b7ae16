"""Values of a chart that change nothing of what it renders."""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from operations.render import RenderError
from tests.contracts.mutations import _inner as inner

Rendered = list[dict[str, Any]]
Place = tuple[str | int, ...]
RANDOM = object()
"""In place of what is another at each time."""


def without_effect(render: Callable[[Mapping[str, Any]], Rendered], given: list[Mapping[str, Any]]) -> set[str]:
    """The values that have no effect in any of the cases, dotted: each is changed, and the rest left as it is."""
    effective, idle = set[str](), set[str]()
    for values in given:
        first, again = flat(render(values)), flat(render(values))
        steady = {place: value if again.get(place) == value else RANDOM for place, value in first.items()}
        for place, value in leaves(values):
            name = ".".join("*" if isinstance(key, int) else key for key in place)
            if name in effective:
                continue
            (effective if any(_differs(render, values, place, to, steady) for to in others(value)) else idle).add(name)
    return idle - effective


def _differs(
    render: Callable[[Mapping[str, Any]], Rendered], values: Mapping[str, Any], place: Place, to: Any,
    steady: Mapping[Place, Any],
) -> bool:  # fmt: skip
    """Whether another value is refused or renders to something else. What is random at each time does not count."""
    changed: Any = copy.deepcopy(dict(values))
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = to
    try:
        found = flat(render(changed))
    except RenderError as error:
        if "cannot be rendered" not in str(error):
            raise
        return True
    kept = (place in found and (value is RANDOM or found[place] == value) for place, value in steady.items())
    return len(found) != len(steady) or not all(kept)


def leaves(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Texts, numbers, switches and nulls, with their places."""
    for key, value in inner(tree):
        yield from leaves(value, (*place, key))
    if not isinstance(tree, dict | list):
        yield place, tree


def others(value: Any) -> list[Any]:
    """Other values of the same type."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1]
    if isinstance(value, str):
        return [f"{value}x", "7Mi", "other"]
    return ["7"] if value is None else []


def flat(tree: Any, place: Place = ()) -> dict[Place, Any]:
    """What stands where."""
    found = inner(tree)
    if not found:
        return {place: tree}
    return {where: value for key, below in found for where, value in flat(below, (*place, key)).items()}
