"""Strategic merge patches of Kubernetes objects, as `kubectl patch` merges them.

A patch merges mappings key by key, and a null value removes a key (RFC 7386). A strategic merge patch merges the
elements of a list with merge keys, and replaces every other list. In a list with merge keys, `$patch: delete` in an
element removes the element. `$patch: replace` replaces a mapping or list instead of merging it.
"""

from collections.abc import Mapping
from typing import Any

import pulumi

Json = Any
FieldPath = tuple[str, ...]
"""Path of a field without the indexes of lists, such as `("spec", "template", "spec", "containers")`."""
MergeKeys = tuple[tuple[str, str | None], ...]
"""Fields that identify an element of a list, each with the default of Kubernetes."""

DIRECTIVE = "$patch"
REPLACE, DELETE = "replace", "delete"
REPLACE_LIST = {DIRECTIVE: REPLACE}
"""Element of a list that makes the patch replace the list."""

_NAME: MergeKeys = (("name", None),)
_CONTAINER: Mapping[FieldPath, MergeKeys] = {
    ("ports",): (("containerPort", None), ("protocol", "TCP")),
    ("env",): _NAME,
    ("volumeMounts",): (("mountPath", None),),
    ("volumeDevices",): (("devicePath", None),),
}
_POD: Mapping[FieldPath, MergeKeys] = {
    ("volumes",): _NAME,
    ("imagePullSecrets",): _NAME,
    ("resourceClaims",): _NAME,
    ("hostAliases",): (("ip", None),),
    ("topologySpreadConstraints",): (("topologyKey", None),),
    **{
        (containers, *field): keys
        for containers in ("containers", "initContainers")
        for field, keys in (((), _NAME), *_CONTAINER.items())
    },
}
_POD_SPECS: Mapping[str, FieldPath] = {
    **dict.fromkeys(("DaemonSet", "Deployment", "Job", "Rollout", "StatefulSet"), ("spec", "template", "spec")),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_SERVICE: Mapping[FieldPath, MergeKeys] = {("spec", "ports"): (("port", None), ("protocol", "TCP"))}


def pod_spec_path(kind: str) -> FieldPath | None:
    """Return the path of the pod spec in Kubernetes objects of a kind, or None for a kind without a pod spec."""
    return _POD_SPECS.get(kind)


def merge_keys(kind: str) -> Mapping[FieldPath, MergeKeys]:
    """Return the merge keys of the lists in Kubernetes objects of a kind, by the path of the list."""
    if kind == "Service":
        return _SERVICE
    pod_spec = pod_spec_path(kind)
    return {(*pod_spec, *field): keys for field, keys in _POD.items()} if pod_spec else {}


def merge(target: Json, patch: Json, lists: Mapping[FieldPath, MergeKeys], path: FieldPath = ()) -> Json:
    """Return a copy of `target` into which the strategic merge patch `patch` is merged. The parameter `lists` contains
    the merge keys by list path, and `path` is the path of `target` in the object.

    `target` may contain Outputs. The function changes neither `target` nor `patch`.
    """
    is_keyed_list = isinstance(patch, list) and path in lists
    if isinstance(target, pulumi.Output) and (isinstance(patch, Mapping) or is_keyed_list):
        return target.apply(lambda value: merge(value, patch, lists, path))
    if isinstance(patch, Mapping):
        return _merge_mapping(target, patch, lists, path)
    return _merge_list(target, patch, lists, path) if is_keyed_list else patch


def element_key(element: Mapping[str, Json], keys: MergeKeys) -> tuple[Json, ...]:
    """Return the values of the merge keys, which identify an element of a list."""
    return tuple(element.get(name, default) for name, default in keys)


def _merge_mapping(
    target: Json, patch: Mapping[str, Json], lists: Mapping[FieldPath, MergeKeys], path: FieldPath
) -> dict[str, Json]:
    keeps = isinstance(target, Mapping) and patch.get(DIRECTIVE) != REPLACE
    merged = dict(target) if keeps else {}
    for key, value in patch.items():
        if key == DIRECTIVE:
            continue
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value, lists, (*path, key))
    return merged


def _merge_list(target: Json, patch: list[Json], lists: Mapping[FieldPath, MergeKeys], path: FieldPath) -> list[Json]:
    keeps = isinstance(target, list | tuple) and REPLACE_LIST not in patch
    merged = list(target) if keeps else []
    for element in patch:
        if element == REPLACE_LIST:
            continue
        wanted = element_key(element, lists[path])
        index = next((i for i, old in enumerate(merged) if element_key(old, lists[path]) == wanted), len(merged))
        old = merged[index : index + 1]
        deletes = element.get(DIRECTIVE) == DELETE
        merged[index : index + 1] = [] if deletes else [merge(old[0] if old else None, element, lists, path)]
    return merged
