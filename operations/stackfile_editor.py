"""Edits `Pulumi.<stack>.yaml` and preserves the file's comments, key order and style."""

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
    """Add or replace pins in `k3s.pins` of the stack file `text`; return the new text."""
    yaml = yaml_in_style_of(text)
    document = yaml.load(text)
    k3s = document["config"][f"{NAMESPACE}:cluster"].setdefault("k3s", CommentedMap())
    if k3s.get("pins") is None:
        k3s["pins"] = CommentedMap()
    k3s["pins"].update(pins)
    return to_text(yaml, document)


def with_chart_pins(text: str, pins: Mapping[str, str]) -> str:
    """Replace all `platform.pins` of the stack file `text`; return the new text."""
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
    """Set host keys in the text of a stack file, and return the new text.

    `keys` maps paths of settings below `homelab:cluster` to host keys.
    """
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
            # ruamel.yaml stores the comment below a mapping with the last key, which must stay the last key
            entry.insert(address if address == len(entry) - 1 else address + 1, "hostKey", key)
    return to_text(yaml, document)


def yaml_in_style_of(text: str) -> YAML:
    """Return a YAML parser and writer with the indentation of `text`, or with a default style if no style matches."""
    styles = [_yaml(*style) for style in _STYLES]
    return next((yaml for yaml in styles if to_text(yaml, yaml.load(text)) == text), styles[0])


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def to_text(yaml: YAML, document: Any) -> str:
    """Serialize a YAML document to text."""
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()
