"""Checks of an app's patches: the patched objects, fields that a patch must not change, and elements of lists."""

from collections.abc import Iterator, Mapping
from typing import Any

from components.app import inventory, patches
from components.app.patch_settings import AppPatchSettings
from components.app.settings import AppSettings
from components.kubernetes.strategic_merge import (
    DELETE,
    DIRECTIVE,
    REPLACE,
    REPLACE_LIST,
    FieldPath,
    MergeKeys,
    merge_keys,
    pod_spec_path,
)
from components.settings.errors import Findings, SettingPath

_NAME_LABEL = ("metadata", "labels", "app.kubernetes.io/name")
_COMPONENT_LABEL = ("metadata", "labels", "app.kubernetes.io/component")
"""Label by which the Deployment of a worker selects its pods, in addition to the name."""
_IDENTITY: tuple[FieldPath, ...] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    _NAME_LABEL,
    ("spec", "selector"),
    ("spec", "podSelector"),
)
_LEVEL_LABELS = "pod-security.kubernetes.io/"
_REMOVE = "remove it"


def patch_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each error in the app's patches."""
    existing = list(inventory.object_ids(app)) if app.patches else []
    for index, patch in enumerate(app.patches):
        loc = ("patches", index)
        yield from _target(patch, existing, loc)
        if not patch.patch:
            yield (*loc, "patch"), "has no effect: the patch is empty", "add fields, or remove the patch"
        for check in (_kept_fields, _secrets, _lists):
            yield from (((*loc, "patch", *place), reason, fix) for place, reason, fix in check(patch))


def _target(patch: AppPatchSettings, existing: list[inventory.ObjectId], loc: SettingPath) -> Findings:
    """Check that the patch's kind and name match at least one Kubernetes object of the app."""
    if any(patches.matches(patch, *each) for each in existing):
        return
    if names := [name for kind, name in existing if kind == patch.kind]:
        yield (*loc, "name"), f"is no {patch.kind} of the app", f"use one of: {', '.join(names)}"
    else:
        kinds = ", ".join(sorted({kind for kind, _ in existing}))
        yield (*loc, "kind"), "is not the kind of an object of the app", f"use one of: {kinds}"


def _kept_fields(patch: AppPatchSettings) -> Findings:
    """Check that the patch does not change fields that identify or select objects, or fields that other settings
    control."""
    places = dict.fromkeys(_touched(patch.patch, path) for path in _identity(patch.kind))
    for place in filter(None, places):
        yield place, "would change the object's identity or a selector", _REMOVE
    if patch.kind == "StatefulSet" and (place := _touched(patch.patch, ("spec", "volumeClaimTemplates"))):
        yield place, "cannot change in an existing StatefulSet", "use volumes"
    for path in (("data",), ("stringData",)) if patch.kind == "Secret" else ():
        if place := _touched(patch.patch, path):
            yield place, "would store a secret in clear text", "use secrets, secretFiles or imagePullSecret"
    for label in _labels(patch) if patch.kind == "Namespace" else ():
        if label.startswith(_LEVEL_LABELS):
            yield ("metadata", "labels", label), "is derived from the app's settings", "use podSecurity"


def _identity(kind: str) -> Iterator[FieldPath]:
    yield from _IDENTITY
    if pod_spec := pod_spec_path(kind):
        yield from ((*pod_spec[:-1], *label) for label in (_NAME_LABEL, _COMPONENT_LABEL))


def _labels(patch: AppPatchSettings) -> list[str]:
    metadata = patch.patch.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return [str(label) for label in labels] if isinstance(labels, Mapping) else []


def _touched(tree: Any, path: FieldPath) -> FieldPath:
    """Return the path at which the patch `tree` changes or removes the field `path`, or an empty path if the patch
    keeps the field."""
    for depth, key in enumerate(path):
        if not isinstance(tree, Mapping):
            return path[:depth]
        if DIRECTIVE in tree:
            return (*path[:depth], DIRECTIVE)
        if key not in tree:
            return ()
        tree = tree[key]
    return path


def _secrets(patch: AppPatchSettings) -> Findings:
    """Reject references to Pulumi secrets in a patch, which homelab does not resolve."""
    for place, value in _values(patch.patch, ()):
        if isinstance(value, Mapping) and set(value) == {"secret"} and isinstance(value["secret"], str):
            yield (
                place,
                "references a secret, which a patch cannot contain",
                "use secrets, secretFiles or remoteSecrets",
            )


def _values(tree: Any, loc: SettingPath) -> Iterator[tuple[SettingPath, Any]]:
    yield loc, tree
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _values(value, (*loc, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _values(value, (*loc, index))


def _lists(patch: AppPatchSettings) -> Findings:
    """Check the `$patch` directives of a patch, and the elements that the patch has in lists with merge keys."""
    return _field(patch.patch, merge_keys(patch.kind), (), ())


def _field(tree: Any, lists: Mapping[FieldPath, MergeKeys], path: FieldPath, loc: SettingPath) -> Findings:
    if path in lists and tree is not None:
        yield from _keyed_list(tree, lists, path, loc)
    elif isinstance(tree, Mapping):
        if tree.get(DIRECTIVE, REPLACE) != REPLACE:
            fix = f"write null to remove a field, or {DIRECTIVE}: {REPLACE}"
            yield (*loc, DIRECTIVE), f"is not {REPLACE}", fix
        yield from _fields(tree, lists, path, loc)
    elif isinstance(tree, list):
        for place, value in _values(tree, loc):
            if isinstance(value, Mapping) and DIRECTIVE in value:
                yield (*place, DIRECTIVE), "has no effect: the patch replaces the whole list", _REMOVE


def _keyed_list(tree: Any, lists: Mapping[FieldPath, MergeKeys], path: FieldPath, loc: SettingPath) -> Findings:
    if not isinstance(tree, list):
        yield loc, "must be a list", "write a YAML list, with - before each element"
        return
    key = lists[path][0][0]
    for index, element in enumerate(tree):
        place = (*loc, index)
        if element == REPLACE_LIST:
            continue
        if not isinstance(element, Mapping) or not isinstance(element.get(key), str | int):
            yield place, f"has no {key}, which identifies an element of this list", f"add {key}"
            continue
        if element.get(DIRECTIVE, DELETE) != DELETE:
            fix = f"write {DIRECTIVE}: {DELETE}, or {{{DIRECTIVE}: {REPLACE}}} as a separate element"
            yield (*place, DIRECTIVE), f"is not {DELETE}", fix
        yield from _fields(element, lists, path, place)


def _fields(
    tree: Mapping[Any, Any], lists: Mapping[FieldPath, MergeKeys], path: FieldPath, loc: SettingPath
) -> Findings:
    for key, value in tree.items():
        if str(key).startswith("$") and key != DIRECTIVE:
            yield (*loc, key), "is a directive that homelab does not support", f"use {DIRECTIVE}"
        elif key != DIRECTIVE:
            yield from _field(value, lists, (*path, str(key)), (*loc, key))
