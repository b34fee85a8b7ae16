"""The reference of the configuration, in pages of `docs/`: `python -m stacks.reference` writes it."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.app.settings import AppSettings
from components.lab import ClusterSettings
from components.model import NAMESPACE, Model, SecretRef
from stacks.meanings import meanings
from stacks.platform_settings import PlatformSettings
from stacks.problems import is_model, plain
from stacks.settings import FILLED_IN

DOCS = Path(__file__).parent.parent / "docs"
MARK = "<!-- The rest is made from the settings models by `python -m stacks.reference`. -->\n"
PAGES: dict[str, tuple[str, type[Model]]] = {
    "configuration.md": ("cluster", ClusterSettings),
    "platform.md": ("platform", PlatformSettings),
    "apps.md": ("app", AppSettings),
}
"""The pages that end with a reference: the section of the configuration, and its model."""


def text(page: str) -> str:
    """Return a page: what stands before the mark, as it is, and the reference."""
    key, model = PAGES[page]
    places: dict[type[Model], str] = {}
    _place(model, f"{NAMESPACE}:{key}", places)
    written, _, _ = (DOCS / page).read_text(encoding="utf-8").partition(MARK)
    return "\n".join((written + MARK, *(_section(each, title, places) for each, title in places.items())))


def _place(model: type[Model], title: str, places: dict[type[Model], str]) -> None:
    """Note the first place of a model, and of those inside it."""
    if model in places:
        return
    places[model] = title
    top = "" if title.startswith(NAMESPACE) else f"{title}."
    for field in model.model_fields.values():
        inner, suffix = _inside(field.annotation)
        if inner is not None:
            _place(inner, "{secret: NAME}" if inner is SecretRef else f"{top}{field.alias}{suffix}", places)


def _inside(kind: Any) -> tuple[type[Model] | None, str]:
    """Return the model that a field holds, and how its places are written."""
    kind = plain(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return (args[0], "[]") if is_model(args[0]) else (None, "")
    if origin is dict:
        return (args[1], ".*") if is_model(args[1]) else (None, "")
    return (kind, "") if is_model(kind) else (None, "")


def _section(model: type[Model], title: str, places: dict[type[Model], str]) -> str:
    told = meanings(model)
    rows = [
        f"| `{field.alias}` | {_type(field.annotation, field.metadata, places)} | {_default(model, field)} "
        f"| {told[name]} |"
        for name, field in model.model_fields.items()
    ]
    head = ("| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |")
    return "\n".join((f"## `{title}`", "", str(model.__doc__), "", *head, *rows, ""))


def _type(kind: Any, notes: list[Any], places: dict[type[Model], str]) -> str:
    """Say what a field takes, in words."""
    kind = plain(kind)
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        notes = [*notes, *more]
    named = next((str(note.name) for note in notes if hasattr(note, "name")), None)
    return named or _compound(kind, notes, places)


def _compound(kind: Any, notes: list[Any], places: dict[type[Model], str]) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return f"list of: {_type(args[0], [], places)}"
    if origin is dict:
        return f"{_type(args[0], [], places)} → {_type(args[1], [], places)}"
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if is_model(kind):
        return f"[{places[kind]}](#{_anchor(places[kind])})"
    return "true or false" if kind is bool else _number(notes)


def _number(notes: list[Any]) -> str:
    flat = [each for note in notes for each in getattr(note, "metadata", [note])]
    low, high = (next((getattr(each, at) for each in flat if hasattr(each, at)), None) for at in ("ge", "le"))
    return f"number, {low} to {high}" if high is not None else f"number, {low} or more"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _default(model: type[Model], field: FieldInfo) -> str:
    """Say what holds without the key; what is computed is said by the meaning."""
    if (model, field.alias or "") in FILLED_IN:
        return FILLED_IN[model, field.alias or ""]
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "" if field.default_factory_takes_validated_data else "none"
    return _written(field.default)


def _written(value: Any) -> str:
    """Write a default as the file would."""
    if value is None or isinstance(value, Model):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`" if value else "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(text(name), encoding="utf-8")
