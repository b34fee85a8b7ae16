"""What the API server would not take of our objects."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi_kubernetes as kubernetes

from components.kubernetes.manifest import is_custom_resource
from components.settings.model import snake_case
from tests.contracts import upstream
from tests.contracts.schemas import Place, Problem, Schema, Validator

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
NAME = {"type": "string", "maxLength": 253, "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}
NAME_OF_RBAC = {"type": "string", "pattern": "^[^/%]+$"}
ANY = {
    "required": ["apiVersion", "kind", "metadata"],
    "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}},
}
METADATA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": NAME,
        "namespace": NAME,
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": {"type": "array", "items": {"type": "string"}},
    },
}


def problems(object_: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with an object; of Kubernetes' own kinds only what all of them have."""
    if wrong := [*Validator(ANY).problems(object_)]:
        yield from wrong
        return
    name = NAME_OF_RBAC if str(object_["apiVersion"]).startswith("rbac.authorization.k8s.io/") else NAME
    metadata = {**METADATA, "properties": {**METADATA["properties"], "name": name}}
    yield from Validator(metadata).problems(object_["metadata"], None, ("metadata",))
    if not is_custom_resource(dict(object_)):
        yield from _own_kind(object_)
        return
    try:
        schema = schema_of(object_)
    except KeyError as missing:
        yield ("kind",), f"is not served by any chart: {missing}"
        return
    yield from _scope(object_)
    ours = {key: {} if key == "metadata" else value for key, value in object_.items()}
    if "metadata" not in schema.get("properties", {}):  # every object has it, and some schemas do not say so
        del ours["metadata"]
    yield from Validator(schema, closed=True).problems(ours)


def _own_kind(object_: Mapping[str, Any]) -> Iterator[Problem]:
    """What Pulumi's SDK does not know: the kind, or a field of it."""
    group, _, version = str(object_["apiVersion"]).rpartition("/")
    kinds = getattr(getattr(kubernetes, group.partition(".")[0] or "core"), version)
    made = getattr(kinds, str(object_["kind"]), None)
    if made is None:
        yield ("kind",), "is none of Kubernetes' own"
        return
    known = inspect.signature(made._internal_init).parameters
    yield from (((key,), "is no field of it") for key in object_ if snake_case(key) not in known)


def schema_of(object_: Mapping[str, Any]) -> Schema:
    """The schema of a custom resource. KeyError: there is none."""
    schema = upstream.object_schema(str(object_["apiVersion"]), str(object_["kind"]))
    return {**schema, "properties": ANY["properties"] | schema["properties"]}  # which a CRD need not name


def _scope(object_: Mapping[str, Any]) -> Iterator[Problem]:
    scope = upstream.crd(str(object_["apiVersion"]).partition("/")[0], str(object_["kind"]))["spec"]["scope"]
    if ("namespace" in object_["metadata"]) != (scope == "Namespaced"):
        yield ("metadata", "namespace"), f"does not fit the scope, {scope}"


def is_open(schema: Schema, place: Place) -> bool:
    """Whether the schema lets anything stand at a place: below a map of free keys, or where nothing is said."""
    for key in place:
        if schema.get("additionalProperties") or schema.get("x-kubernetes-preserve-unknown-fields"):
            return True
        named = schema.get("properties", {})
        schema = schema.get("items", {}) if isinstance(key, int) else named.get(key, {})
    return bool(schema.get("x-kubernetes-preserve-unknown-fields"))
