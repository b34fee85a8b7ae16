"""Changes to a `Pulumi.<stack>.yaml` that keep its comments, its order and its style."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from components.model import NAMESPACE

_STYLES = ((2, 4, 2), (2, 2, 0), (4, 2, 0), (4, 4, 2), (4, 6, 4))
"""Indentation of mappings, of sequences, and of the dash in these."""


def with_pins(text: str, pins: Mapping[str, str]) -> str:
    """Return the stack file `text` with these `k3s.pins`."""
    yaml = _in_style_of(text)
    document = yaml.load(text)
    k3s = document["config"][f"{NAMESPACE}:cluster"].setdefault("k3s", CommentedMap())
    if k3s.get("pins") is None:
        k3s["pins"] = CommentedMap()
    k3s["pins"].update(pins)
    return _dumped(yaml, document)


def _in_style_of(text: str) -> YAML:
    """Return what writes the text as it is, or in the usual style where nothing does."""
    styles = [_yaml(*style) for style in _STYLES]
    return next((yaml for yaml in styles if _dumped(yaml, yaml.load(text)) == text), styles[0])


def _yaml(mapping: int, sequence: int, offset: int) -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=mapping, sequence=sequence, offset=offset)
    return yaml


def _dumped(yaml: YAML, document: Any) -> str:
    text = io.StringIO()
    yaml.dump(document, text)
    return text.getvalue()
