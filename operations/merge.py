"""Kubeconfigs: one cluster's entries into a file that holds others'."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from operations import splice
from operations.stackfile import dumped, in_style_of

SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_EMPTY = 'apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: ""\n'


class MergeError(Exception):
    """The file is no kubeconfig that could be changed safely. The text says why."""


@dataclass(frozen=True)
class Merged:
    """A kubeconfig with the entries of one cluster."""

    text: str
    replaced: tuple[str, ...]
    """The entries that were there with other content, `cluster homelab`."""
    server: str
    """What the cluster entry said before; empty if it is not replaced."""
    current: str
    """The context that `kubectl` uses unless told otherwise."""


def entries(kubeconfig: str, name: str) -> dict[str, Any]:
    """Return the entries of a cluster's own kubeconfig by section, as they are named in a common one."""
    content = _plain(kubeconfig)
    cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
    return {"clusters": cluster, "users": user, "contexts": {"cluster": name, "user": name}}


def merge(text: str, own: Mapping[str, Any], name: str) -> Merged:
    """Put the entries into the kubeconfig `text` under that name; others stay as they are. Raises `MergeError`."""
    text = text if text.strip() else _EMPTY
    before = _plain(text)
    found = {section: _of_name(before, section, name) for section in SECTIONS}
    wanted = [section for section, kind in SECTIONS.items() if (found[section] or {}).get(kind) != own[section]]
    current = str(before.get("current-context") or "")
    put = [(section, _entry(section, own, name)) for section in wanted]
    result = next(
        (each for each in _ways(text, put, "" if current else name) if _as_meant(before, each, own, name)), None
    )
    if result is None:
        raise MergeError("it could not be rewritten without a change to other entries")
    replaced = tuple(f"{SECTIONS[section]} {name}" for section in wanted if found[section])
    server = found["clusters"]["cluster"].get("server", "") if f"cluster {name}" in replaced else ""
    return Merged(result, replaced, server, current or name)


def _entry(section: str, own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An entry, its keys in the order that kubectl writes them."""
    return dict(sorted({"name": name, SECTIONS[section]: own[section]}.items()))


def _ways(text: str, put: Sequence[tuple[str, dict[str, Any]]], current: str) -> Iterator[str]:
    """Yield the new text: into the text itself, or all of it written anew where its style does not let us."""
    with suppress(splice.StyleError):
        spliced = text
        for section, entry in put:
            spliced = splice.with_entry(spliced, section, entry)
        yield splice.with_current(spliced, current) if current else spliced
    yaml = in_style_of(text)
    document = yaml.load(text)
    for section, entry in put:
        others = [item for item in document.get(section) or () if item["name"] != entry["name"]]
        document[section] = CommentedSeq([*others, CommentedMap(entry)])
    if current:
        document["current-context"] = current
    yield dumped(yaml, document)


def _plain(text: str) -> dict[str, Any]:
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise MergeError(f"it is no YAML: {getattr(error, 'problem', '') or 'see its end'}") from None
    if not isinstance(content, dict) or content.get("kind", "Config") != "Config":
        raise MergeError("it is no kubeconfig: its kind is not Config")
    for section in SECTIONS:
        items = content.get(section) or []
        if not isinstance(items, list) or not all(isinstance(item, dict) and "name" in item for item in items):
            raise MergeError(f"its {section} are no list of named entries")
    return content


def _of_name(content: Any, section: str, name: str) -> Any:
    found = [item for item in content.get(section) or () if item["name"] == name]
    if len(found) > 1:
        raise MergeError(f"it has {len(found)} {section} of the name {name}; take out all but one")
    return found[0] if found else None


def _as_meant(before: Mapping[str, Any], text: str, own: Mapping[str, Any], name: str) -> bool:
    """Whether a new text says what was meant; whatever the old one's style, nothing else may change."""
    after = _plain(text)
    same = all(before.get(key) == after.get(key) for key in {*before, *after} - {*SECTIONS, "current-context"})
    for section, kind in SECTIONS.items():
        others = [[item for item in each.get(section) or () if item["name"] != name] for each in (before, after)]
        entry = _of_name(after, section, name) or {}
        same = same and others[0] == others[1] and entry.get(kind) == own[section]
    return same and after.get("current-context") == (before.get("current-context") or name)
