"""Helm values from the stack file, which override the Helm values of a layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from components.kubernetes.manifest import Json
from components.settings.errors import setting_error
from components.settings.model import SecretRef


@dataclass(frozen=True)
class MappingType:
    """Type of a setting that is any YAML mapping, with secrets as `{secret: NAME}`.

    `template` completes the fix `write a mapping as in …` in error messages.
    """

    name: str
    template: str

    def __call__(self, value: Any) -> dict[str, Json]:
        """Validate the mapping, and replace each `{secret: NAME}` with a `SecretRef`."""
        if not isinstance(value, Mapping) or not value:
            raise setting_error(
                "is not a mapping of values", f"write a mapping as in {self.template}, or remove the key"
            )
        return {str(key): _tree(inner) for key, inner in value.items()}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object"}


ChartValues = Annotated[dict[str, Any], MappingType("values of a chart", "the chart's values.yaml")]


def _tree(value: Any) -> Json:
    if isinstance(value, Mapping):
        if set(value) == {"secret"}:
            return SecretRef.model_validate(value)
        return {str(key): _tree(inner) for key, inner in value.items()}
    return tuple(map(_tree, value)) if isinstance(value, list | tuple) else value


def merge_values(values: Mapping[str, Json], overrides: Mapping[str, Json]) -> dict[str, Json]:
    """Merge `overrides` into `values` in the same way as Helm.

    Helm merges mappings key by key, and replaces all other values.
    """
    merged = {key: merge_values(values[key], overrides[key]) for key in values.keys() & overrides.keys()
            if isinstance(values[key], Mapping) and isinstance(overrides[key], Mapping)}  # fmt: skip
    return {**values, **overrides, **merged}


def value_paths(values: Json, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each value in the Helm values, as a tuple of keys. An empty mapping counts as one value."""
    if isinstance(values, Mapping) and values:
        for key, inner in values.items():
            yield from value_paths(inner, (*prefix, key))
    else:
        yield prefix


def has_null(values: Json) -> bool:
    """Whether the Helm values contain null anywhere. In Helm values, null removes a default value of the chart."""
    inner = values.values() if isinstance(values, Mapping) else values if isinstance(values, list | tuple) else ()
    return values is None or any(map(has_null, inner))
