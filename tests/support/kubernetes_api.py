"""A Kubernetes API in memory, with the operations that stand-in operators use."""

import itertools
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str, str, str]
"""Group with version, plural, namespace, name."""


def parse_path(path: str) -> tuple[Key, str]:
    """Split a path into an object's key, whose name is empty for a list, and the subresource."""
    words = path.partition("?")[0].strip("/").split("/")
    count = 2 if words[0] == "api" else 3
    group, rest = "/".join(words[:count]), words[count:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name = rest[1] if len(rest) > 1 else ""
    return (group, rest[0], namespace, name), rest[2] if len(rest) > 2 else ""


class InMemoryApi:
    """Objects by key; every kind exists."""

    def __init__(self) -> None:
        self.objects: dict[Key, Json] = {}
        self._uids = itertools.count(1)

    def read(self, path: str) -> Json | None:
        return self.objects.get(parse_path(path)[0])

    def items(self, path: str) -> list[Json]:
        (group, plural, namespace, _), _ = parse_path(path)
        label = path.partition("labelSelector=")[2].replace("%2F", "/").replace("%3D", "=")
        return [
            found
            for key, found in self.objects.items()
            if key[:2] == (group, plural) and namespace in ("", key[2]) and self._has(found, label)
        ]

    @staticmethod
    def _has(found: Json, label: str) -> bool:
        key, _, value = label.partition("=")
        return not label or (found["metadata"].get("labels") or {}).get(key) == value

    def create(self, path: str, body: Json) -> None:
        (group, plural, namespace, _), _ = parse_path(path)
        name = body["metadata"]["name"]
        assert body["metadata"].get("namespace", "") == namespace, f"{name} is not of the namespace it is put into"
        body = {"status": {}} | body | {"metadata": {"uid": f"uid-{next(self._uids)}", **body["metadata"]}}
        self.objects.setdefault((group, plural, namespace, name), body)

    def patch(self, path: str, body: Json) -> None:
        key, sub = parse_path(path)
        assert not sub or set(body) == {sub}
        if key in self.objects:
            apply_merge_patch(self.objects[key], body)

    def delete(self, path: str) -> None:
        self.objects.pop(parse_path(path)[0], None)

    def names(self, plural: str) -> list[str]:
        return [key[3] for key in self.objects if key[1] == plural]

    def named(self, plural: str, name: str) -> Json:
        return next(found for key, found in self.objects.items() if (key[1], key[3]) == (plural, name))

    def keys(self) -> Iterator[Key]:
        yield from self.objects


def apply_merge_patch(into: Json, changes: Json) -> None:
    for key, value in changes.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            apply_merge_patch(into[key], value)
        else:
            into[key] = value
