"""Changes to a `Pulumi.<stack>.yaml` that keep its comments, its order and its style."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from components.model import NAMESPACE

Loc = tuple[str | int, ...]
_STYLES = ((2, 4, 2), (2, 2, 0), (4, 2, 0), (4, 4, 2), (4, 6, 4))
"""Indentation of mappings, of sequences, and of the dash in these."""


def with_pins(text: str, pins: Mapping[str, str]) -> str:
    """Return the stack file `text` with these `k3s.pins`."""
    yaml = in_style_of(text)
    document = yaml.load(text)
    k3s = document["config"][f"{NAMESPACE}:cluster"].setdefault("k3s", CommentedMap())
    if k3s.get("pins") is None:
        k3s["pins"] = CommentedMap()
    k3s["pins"].update(pins)
    return dumped(yaml, document)


def with_chart_pins(text: str, pins: Mapping[str, str]) -> str:
    """Return the stack file `text` with these `platform.pins` and no others."""
    yaml = in_style_of(text)
    document = yaml.load(text)
    platform = document["config"][f"{NAMESPACE}:platform"]
    if platform.get("pins") is None:
        platform["pins"] = CommentedMap()
    known = platform["pins"]
    for name in known.keys() - pins.keys():
        del known[name]
    known.update(pins)
    if not known:
        del platform["pins"]
    return dumped(yaml, document)


def with_host_keys(text: str, keys: Mapping[Loc, str]) -> str:
    """Return the stack file `text` with a `hostKey` in each of these mappings below `homelab:cluster`."""
    yaml = in_style_of(text)
    document = yaml.load(text)
    for loc, key in keys.items():
        place = document["config"][f"{NAMESPACE}:cluster"]
        for step in loc:
            place = place[step]
        if "hostKey" in place:
            place["hostKey"] = key
        else:
            after = list(place).index("address")
            # what follows the last key, a blank line or a comment, belongs to what comes next
            place.insert(after if after == len(place) - 1 else after + 1, "hostKey", key)
    return dumped(yaml, document)


def in_style_of(text: str) -> YAML:
    """Return what writes the text as it is, or in the usual style where nothing does."""
    styles = [_yaml(*style) for style in _STYLES]
    return next((yaml for yaml in styles if dumped(yaml, yaml.load(text)) == text), styles[0])


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def dumped(yaml: YAML, document: Any) -> str:
    """Return a document as text."""
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()
