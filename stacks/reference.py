"""Generates the reference of all settings in `docs/`. To write the pages, run `python -m stacks.reference`."""

import inspect
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.app.settings import AppSettings
from components.cluster.settings import ClusterSettings
from components.settings.model import NAMESPACE, Model, SecretRef
from stacks.descriptions import field_descriptions
from stacks.platform_settings import PlatformSettings
from stacks.settings import STACK_DEFAULTS
from stacks.validation_errors import is_model, without_none

DOCS = Path(__file__).parent.parent / "docs"
GENERATED_MARK = "<!-- The rest is made from the settings models by `python -m stacks.reference`. -->\n"
PAGES: dict[str, tuple[str, type[Model]]] = {
    "configuration.md": ("cluster", ClusterSettings),
    "platform.md": ("platform", PlatformSettings),
    "apps.md": ("app", AppSettings),
}
"""The docs pages that end with a reference. Each docs page maps to a section of the configuration and its settings
model."""


def page_text(page: str) -> str:
    """Return the text of a docs page: the existing text before `GENERATED_MARK`, and then the generated reference."""
    key, model = PAGES[page]
    titles: dict[type[Model], str] = {}
    _collect_titles(model, f"{NAMESPACE}:{key}", titles)
    prose, _, _ = (DOCS / page).read_text(encoding="utf-8").partition(GENERATED_MARK)
    sections = [_section(section_model, title, titles) for section_model, title in titles.items()]
    return "\n".join((prose + GENERATED_MARK, *sections))


def _collect_titles(model: type[Model], title: str, titles: dict[type[Model], str]) -> None:
    """Store a section title in `titles` for `model` and for each settings model in its fields."""
    if model in titles:
        return
    titles[model] = title
    top = "" if title.startswith(NAMESPACE) else f"{title}."
    for field in model.model_fields.values():
        inner, suffix = _inside(field.annotation)
        if inner is not None:
            _collect_titles(inner, "{secret: NAME}" if inner is SecretRef else f"{top}{field.alias}{suffix}", titles)


def _inside(kind: Any) -> tuple[type[Model] | None, str]:
    """Return the settings model inside a field's type, and its path suffix: `[]` for a list, `.*` for a mapping."""
    kind = without_none(kind)
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return (args[0], "[]") if is_model(args[0]) else (None, "")
    if origin is dict:
        return (args[1], ".*") if is_model(args[1]) else (None, "")
    return (kind, "") if is_model(kind) else (None, "")


def _section(model: type[Model], title: str, titles: dict[type[Model], str]) -> str:
    descriptions = field_descriptions(model)
    rows = [
        f"| `{field.alias}` | {_type(field.annotation, field.metadata, titles)} | {_default(model, field)} "
        f"| {descriptions[name]} |"
        for name, field in model.model_fields.items()
    ]
    head = ("| Key | Type | Default | Meaning |", "| --- | --- | --- | --- |")
    return "\n".join((f"## `{title}`", "", inspect.cleandoc(str(model.__doc__)), "", *head, *rows, ""))


def _type(kind: Any, notes: list[Any], titles: dict[type[Model], str]) -> str:
    """Describe the type of a setting in words."""
    kind = without_none(kind)
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        notes = [*notes, *more]
    name = next((str(note.name) for note in notes if hasattr(note, "name")), None)
    return name or _compound(kind, notes, titles)


def _compound(kind: Any, notes: list[Any], titles: dict[type[Model], str]) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        return f"list of: {_type(args[0], [], titles)}"
    if origin is dict:
        return f"{_type(args[0], [], titles)} → {_type(args[1], [], titles)}"
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in args)
    if is_model(kind):
        return f"[{titles[kind]}](#{_anchor(titles[kind])})"
    return "true or false" if kind is bool else _number(notes)


def _number(notes: list[Any]) -> str:
    constraints = [constraint for note in notes for constraint in getattr(note, "metadata", [note])]
    low, high = (
        next((getattr(constraint, bound) for constraint in constraints if hasattr(constraint, bound)), None)
        for bound in ("ge", "le")
    )
    return f"number, {low} to {high}" if high is not None else f"number, {low} or more"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _default(model: type[Model], field: FieldInfo) -> str:
    """Describe the default of a setting, or return an empty text if the setting's description explains the default."""
    if (model, field.alias or "") in STACK_DEFAULTS:
        return STACK_DEFAULTS[model, field.alias or ""]
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "" if field.default_factory_takes_validated_data else "none"
    return _formatted(field.default)


def _formatted(value: Any) -> str:
    """Format a default value in the form in which users write the value in the stack file."""
    if value is None or isinstance(value, Model):
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`" if value else "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).write_text(page_text(name), encoding="utf-8")
