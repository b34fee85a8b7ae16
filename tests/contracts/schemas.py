"""A small validator of JSON schemas, as charts and CRDs use them. What it does not know, it refuses to pass over."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
Problem = tuple[Place, str]

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "number": (int, float), "null": (type(None),),
}  # fmt: skip
SAID_ELSEWHERE = {
    "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description", "examples", "format", "title",
    "x-kubernetes-embedded-resource", "x-kubernetes-map-type",
    "x-kubernetes-validations",  # CEL: the API server alone can say
}  # fmt: skip
BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound, "maximum": lambda value, bound: value <= bound,
    "minLength": lambda value, bound: len(value) >= bound, "maxLength": lambda value, bound: len(value) <= bound,
    "minItems": lambda value, bound: len(value) >= bound, "maxItems": lambda value, bound: len(value) <= bound,
    "minProperties": lambda value, bound: len(value) >= bound,
    "maxProperties": lambda value, bound: len(value) <= bound,
    "pattern": lambda value, bound: re.search(bound, value) is not None,
    "enum": lambda value, bound: value in bound, "const": lambda value, bound: value == bound,
    "uniqueItems": lambda value, bound: not bound or all(one not in value[:at] for at, one in enumerate(value)),
}  # fmt: skip
FOR: dict[str, Any] = {"pattern": str, "minimum": (int, float), "maximum": (int, float)} | {
    f"{bound}{what}": kind
    for bound in ("min", "max")
    for what, kind in (("Length", str), ("Items", list), ("Properties", dict))
}
PARTS = {
    "$ref", "type", "nullable", "properties", "additionalProperties", "patternProperties", "items", "required",
    "dependencies", "anyOf", "oneOf", "allOf", "not", "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
}  # fmt: skip


@dataclass(frozen=True)
class Validator:
    """Finds what in a value a schema does not allow. `closed`: objects have the properties named and no others."""

    root: Schema
    closed: bool = False

    def problems(self, value: Any, schema: Schema | None = None, place: Place = ()) -> Iterator[Problem]:
        """Yield where something is wrong, and what."""
        schema = self.followed(self.root if schema is None else schema)
        unknown = schema.keys() - SAID_ELSEWHERE - BOUNDS.keys() - PARTS
        assert not unknown, f"the validator does not know {sorted(unknown)}"
        if value is None and schema.get("nullable"):
            return
        if not self._is_of_type(value, schema):
            yield place, f"is no {schema.get('type', 'text or whole number')}"
            return
        yield from self._bounds(value, schema, place)
        yield from self._combined(value, schema, place)
        if isinstance(value, dict):
            yield from self._object(value, schema, place)
        elif isinstance(value, list):
            yield from self._list(value, schema, place)

    def followed(self, schema: Schema) -> Schema:
        """The schema with what it refers to."""
        while "$ref" in schema:
            found: Any = self.root
            for key in str(schema["$ref"]).removeprefix("#/").split("/"):
                found = found[key]
            schema = {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
        return schema

    @staticmethod
    def _is_of_type(value: Any, schema: Schema) -> bool:
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if schema.get("x-kubernetes-int-or-string"):
            kinds = ["integer", "string"]
        return not kinds or any(
            isinstance(value, TYPES[kind]) and (kind == "boolean") >= isinstance(value, bool) for kind in kinds
        )

    @staticmethod
    def _bounds(value: Any, schema: Schema, place: Place) -> Iterator[Problem]:
        for name in BOUNDS.keys() & schema.keys():
            if isinstance(value, FOR.get(name, object)) and not BOUNDS[name](value, schema[name]):
                yield place, f"is not as {name} says: {schema[name]}"

    def _combined(self, value: Any, schema: Schema, place: Place) -> Iterator[Problem]:
        """Combinations only add to what the schema says itself, so they are never closed."""
        loose = Validator(self.root)

        def fits(each: Schema) -> bool:
            return not any(loose.problems(value, each, place))

        for each in schema.get("allOf", ()):
            yield from loose.problems(value, each, place)
        if "anyOf" in schema and not any(map(fits, schema["anyOf"])):
            yield place, "is none of those allowed"
        if "oneOf" in schema and sum(map(fits, schema["oneOf"])) != 1:
            yield place, "is not exactly one of those allowed"
        if "not" in schema and fits(schema["not"]):
            yield place, "is what it must not be"

    def _object(self, value: Mapping[str, Any], schema: Schema, place: Place) -> Iterator[Problem]:
        yield from (((*place, key), "is missing") for key in schema.get("required", ()) if key not in value)
        named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
        for key in value.keys() & schema.get("dependencies", {}).keys():  # each is a schema for the whole object
            yield from self._combined(value, {"allOf": [schema["dependencies"][key]]}, place)
        keeps = schema.get("x-kubernetes-preserve-unknown-fields", False)
        others = schema.get("additionalProperties", keeps or not self.closed)
        for key, inner in value.items():
            found = [named[key]] if key in named else [patterns[each] for each in patterns if re.search(each, key)]
            if not found and others is False:
                yield (*place, key), "is not known"
            elif not found and isinstance(others, Mapping):
                found = [others]
            for each in found:
                yield from self.problems(inner, each, (*place, key))

    def _list(self, value: list[Any], schema: Schema, place: Place) -> Iterator[Problem]:
        keeps = "x-kubernetes-preserve-unknown-fields"
        kept = {keeps: True} if schema.get(keeps) else {}
        for index, inner in enumerate(value):
            yield from self.problems(inner, schema.get("items", kept), (*place, index))
        keys = schema.get("x-kubernetes-list-map-keys", ())
        of: dict[Any, Callable[[Any], Any]] = {
            "map": lambda one: [one.get(key) for key in keys],
            "set": lambda one: one,
        }
        kind = schema.get("x-kubernetes-list-type")
        names = [of[kind](one) for one in value] if kind in of else []
        if any(one in names[:at] for at, one in enumerate(names)):
            yield place, "names something twice"
