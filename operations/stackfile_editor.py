"""Edits of `Pulumi.<stack>.yaml` that preserve its comments, key order and style."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from components.settings.model import NAMESPACE

KeyPath = tuple[str | int, ...]
_STYLES = ((2, 4, 2), (2, 2, 0), (4, 2, 0), (4, 4, 2), (4, 6, 4))
"""Indentation of mappings and of sequences, and the offset of a sequence's dash."""


def with_pins(text: str, pins: Mapping[str, str]) -> str:
    """Return the stack file `text` with these `k3s.pins` added or replaced."""
    yaml = yaml_in_style_of(text)
    document = yaml.load(text)
    k3s = document["config"][f"{NAMESPACE}:cluster"].setdefault("k3s", CommentedMap())
    if k3s.get("pins") is None:
        k3s["pins"] = CommentedMap()
    k3s["pins"].update(pins)
    return to_text(yaml, document)


def with_chart_pins(text: str, pins: Mapping[str, str]) -> str:
    """Return the stack file `text` with exactly these `platform.pins`."""
    yaml = yaml_in_style_of(text)
    document = yaml.load(text)
    platform = document["config"][f"{NAMESPACE}:platform"]
    if platform.get("pins") is None:
        platform["pins"] = CommentedMap()
    current = platform["pins"]
    for name in current.keys() - pins.keys():
        del current[name]
    current.update(pins)
    if not current:
        del platform["pins"]
    return to_text(yaml, document)


def with_host_keys(text: str, keys: Mapping[KeyPath, str]) -> str:
    """Return the stack file `text` with these host keys; each path leads to a mapping below `homelab:cluster`."""
    yaml = yaml_in_style_of(text)
    document = yaml.load(text)
    for loc, key in keys.items():
        entry = document["config"][f"{NAMESPACE}:cluster"]
        for key_or_index in loc:
            entry = entry[key_or_index]
        if "hostKey" in entry:
            entry["hostKey"] = key
        else:
            address = list(entry).index("address")
            # ruamel stores the blank lines and comments after an entry with its last key, so the last key stays last
            entry.insert(address if address == len(entry) - 1 else address + 1, "hostKey", key)
    return to_text(yaml, document)


def yaml_in_style_of(text: str) -> YAML:
    """Return a YAML round-tripper in the style of the text, or in the usual style if no known style reproduces it."""
    styles = [_yaml(*style) for style in _STYLES]
    return next((yaml for yaml in styles if to_text(yaml, yaml.load(text)) == text), styles[0])


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def to_text(yaml: YAML, document: Any) -> str:
    """Return a document as YAML text."""
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()
