"""Inserts entries into the text of a kubeconfig without changing any other byte.

If ruamel.yaml rewrote the whole kubeconfig, some indentation would change, and comments would move to other sections.
"""

import io
import textwrap
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode


class StyleError(Exception):
    """homelab cannot insert entries into the kubeconfig's text, because the kubeconfig uses JSON or YAML flow style."""


def with_entry(text: str, section: str, entry: Mapping[str, Any]) -> str:
    """Add an entry to the kubeconfig list `section`, or replace the entry with the same name; return the new text."""
    items = _value(text, section)
    if items is None:
        return f"{_with_newline(text)}{section}:\n{_item(entry, 0)}"
    if not items.value or isinstance(items, ScalarNode):
        start, end = items.start_mark.index, items.end_mark.index
        return text[:start].rstrip(" ") + "\n" + _item(entry, 0).rstrip("\n") + text[end:]
    if not isinstance(items, SequenceNode) or items.flow_style:
        raise StyleError
    for item in items.value:
        if _name(item) == entry["name"]:
            body = textwrap.indent(_dumped(entry), " " * item.start_mark.column).strip()
            return text[: item.start_mark.index] + body + text[_end(text, item) :]
    line = text.find("\n", _end(text, items))
    before, after = (f"{text}\n", "") if line < 0 else (text[: line + 1], text[line + 1 :])
    return before + _item(entry, items.start_mark.column) + after


def with_current_context(text: str, name: str) -> str:
    """Set the `current-context` of a kubeconfig, and return the new text."""
    value = _value(text, "current-context")
    if value is None:
        return f"{_with_newline(text)}current-context: {name}\n"
    return f"{text[: value.start_mark.index].rstrip(' ')} {name}{text[value.end_mark.index :]}"


def _with_newline(text: str) -> str:
    return text if text.endswith("\n") else f"{text}\n"


def _value(text: str, key: str) -> Node | None:
    root = YAML(typ="safe", pure=True).compose(text)
    if not isinstance(root, MappingNode) or root.flow_style:
        raise StyleError
    return next((value for node, value in root.value if node.value == key), None)


def _name(item: Node) -> str | None:
    pairs = item.value if isinstance(item, MappingNode) else ()
    return next((value.value for key, value in pairs if key.value == "name"), None)


def _end(text: str, node: Node) -> int:
    """Return the index at which a YAML node's content ends; ruamel.yaml's end mark is the start of the next node."""
    if isinstance(node, ScalarNode) or getattr(node, "flow_style", False) or not node.value:
        return len(text[: node.end_mark.index].rstrip())
    last = node.value[-1]
    return max(_end(text, child) for child in (last if isinstance(last, tuple) else (last,)))


def _item(entry: Mapping[str, Any], column: int) -> str:
    body = textwrap.indent(_dumped(entry), "  ")
    return textwrap.indent(f"- {body[2:]}", " " * column)


def _dumped(entry: Mapping[str, Any]) -> str:
    yaml, text = YAML(), io.StringIO()
    yaml.width = 1 << 20
    yaml.dump(dict(entry), text)
    return text.getvalue()
