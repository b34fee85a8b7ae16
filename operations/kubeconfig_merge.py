"""Merges the entries of one cluster into a kubeconfig that may contain other clusters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from operations import kubeconfig_text
from operations.stackfile_editor import to_text, yaml_in_style_of

SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_EMPTY = 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: ""\n'


class MergeError(Exception):
    """A file is no kubeconfig, or homelab cannot add entries to the kubeconfig safely; the message states the cause."""


@dataclass(frozen=True)
class MergeResult:
    """The result of merging one cluster's entries into a kubeconfig."""

    text: str
    replaced: tuple[str, ...]
    """The existing kubeconfig entries whose content homelab has replaced, such as `cluster homelab`."""
    server: str
    """The URL of the Kubernetes API in the replaced cluster entry; empty if homelab replaced no cluster entry."""
    current: str
    """The current context of the merged kubeconfig."""


def entries_of(kubeconfig: str, name: str) -> dict[str, Any]:
    """Return the cluster, user and context of a kubeconfig with one cluster; the context refers to both as `name`."""
    content = _parse(kubeconfig)
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    return {"clusters": cluster, "users": user, "contexts": {"cluster": name, "user": name}}


def merge(text: str, own: Mapping[str, Any], name: str) -> MergeResult:
    """Add or replace the entries called `name` in the kubeconfig `text`. Raises `MergeError`."""
    text = text if text.strip() else _EMPTY
    before = _parse(text)
    existing = {section: _named(before, section, name) for section in SECTIONS}
    changed = [section for section, kind in SECTIONS.items() if (existing[section] or {}).get(kind) != own[section]]
    current = str(before.get("current-context") or "")
    put = [(section, _entry(section, own, name)) for section in changed]
    result = next(
        (new for new in _candidates(text, put, "" if current else name) if _is_correct(before, new, own, name)), None
    )
    if result is None:
        raise MergeError("homelab cannot change this kubeconfig without changing other entries")
    replaced = tuple(f"{SECTIONS[section]} {name}" for section in changed if existing[section])
    server = existing["clusters"]["cluster"].get("server", "") if f"cluster {name}" in replaced else ""
    return MergeResult(result, replaced, server, current or name)


def _entry(section: str, own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Build a kubeconfig entry with its keys in the order that kubectl uses."""
    return dict(sorted({"name": name, SECTIONS[section]: own[section]}.items()))


def _candidates(text: str, put: Sequence[tuple[str, dict[str, Any]]], current: str) -> Iterator[str]:
    """Yield the merged kubeconfig: first with the file's formatting if possible, then with ruamel.yaml's formatting."""
    with suppress(kubeconfig_text.StyleError):
        spliced = text
        for section, entry in put:
            spliced = kubeconfig_text.with_entry(spliced, section, entry)
        yield kubeconfig_text.with_current_context(spliced, current) if current else spliced
    yaml = yaml_in_style_of(text)
    document = yaml.load(text)
    for section, entry in put:
        others = [item for item in document.get(section) or () if item["name"] != entry["name"]]
        document[section] = CommentedSeq([*others, CommentedMap(entry)])
    if current:
        document["current-context"] = current
    yield to_text(yaml, document)


def _parse(text: str) -> dict[str, Any]:
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise MergeError(f"the kubeconfig is not YAML: {getattr(error, 'problem', '') or 'see its end'}") from None
    if not isinstance(content, dict) or content.get("kind", "Config") != "Config":
        raise MergeError("the file is not a kubeconfig: its kind is not Config")
    for section in SECTIONS:
        items = content.get(section) or []
        if not isinstance(items, list) or not all(isinstance(item, dict) and "name" in item for item in items):
            raise MergeError(f"the {section} are not a list of named entries")
    return content


def _named(content: Any, section: str, name: str) -> Any:
    items = [item for item in content.get(section) or () if item["name"] == name]
    if len(items) > 1:
        raise MergeError(f"the kubeconfig has {len(items)} {section} with the name {name}; remove all but one")
    return items[0] if items else None


def _is_correct(before: Mapping[str, Any], text: str, own: Mapping[str, Any], name: str) -> bool:
    """Return whether the merged kubeconfig contains the new entries, and all other content is unchanged."""
    after = _parse(text)
    same = all(before.get(key) == after.get(key) for key in {*before, *after} - {*SECTIONS, "current-context"})
    for section, kind in SECTIONS.items():
        others = [[item for item in file.get(section) or () if item["name"] != name] for file in (before, after)]
        entry = _named(after, section, name) or {}
        same = same and others[0] == others[1] and entry.get(kind) == own[section]
    return same and after.get("current-context") == (before.get("current-context") or name)
