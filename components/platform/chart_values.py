"""Helm values from the stack file, which override the values of a layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.kubernetes.manifest import Tree
from components.settings.errors import wrong
from components.settings.model import SecretRef


@dataclass(frozen=True)
class _Values:
    """Type of a chart's values in the stack file: any YAML mapping, with secrets by name."""

    name: str = "values of a chart"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(_mapping)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object"}


Values = Annotated[dict[str, Any], _Values()]


def _mapping(value: Any) -> dict[str, Tree]:
    if not isinstance(value, Mapping) or not value:
        raise wrong("is not a mapping of values", "write it like the chart's values.yaml, or leave it out")
    return {str(key): _tree(inner) for key, inner in value.items()}


def _tree(value: Any) -> Tree:
    if isinstance(value, Mapping):
        if set(value) == {"secret"}:
            return SecretRef.model_validate(value)
        return {str(key): _tree(inner) for key, inner in value.items()}
    return tuple(map(_tree, value)) if isinstance(value, list | tuple) else value


def laid_over(values: Mapping[str, Tree], given: Mapping[str, Tree]) -> dict[str, Tree]:
    """Merge `given` into `values` as Helm does: mappings key by key, all other values as a whole."""
    merged = {key: laid_over(values[key], given[key]) for key in values.keys() & given.keys()
            if isinstance(values[key], Mapping) and isinstance(given[key], Mapping)}  # fmt: skip
    return {**values, **given, **merged}


def keys(values: Tree, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of keys to each value. An empty mapping counts as a value."""
    if isinstance(values, Mapping) and values:
        for key, inner in values.items():
            yield from keys(inner, (*place, key))
    else:
        yield place


def has_null(values: Tree) -> bool:
    """Whether the values contain a null, which removes a default of the chart."""
    inner = values.values() if isinstance(values, Mapping) else values if isinstance(values, list | tuple) else ()
    return values is None or any(map(has_null, inner))
