"""Descriptions of settings, which homelab reads from the docstrings below the fields in the source code."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import get_args

from components.settings.model import Model


def field_descriptions(model: type[Model]) -> dict[str, str]:
    """Return the description of each field of `model`, by field name."""
    models = [base for base in reversed(model.__mro__) if issubclass(base, Model)]
    docstrings = {name: text for base in models for name, text in _docstrings(base)}
    return {name: field.description or docstrings[name] for name, field in model.model_fields.items()}


def entry_model(model: type[Model]) -> type[Model] | None:
    """Return the model of the extra fields of `model`, or None if it forbids extra fields."""
    kind = inspect.get_annotations(model).get("__pydantic_extra__")
    return get_args(kind)[1] if kind else None


def entry_description(model: type[Model]) -> str:
    """Return the description of the entries of a model that has an `entry_model`."""
    return dict(_docstrings(model))["__pydantic_extra__"]


def _docstrings(model: type[Model]) -> Iterator[tuple[str, str]]:
    # a model that is created at run time has no class body, so its fields need explicit descriptions
    for field, below in pairwise(_class_bodies(model.__module__).get(model.__name__, ())):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())


@cache
def _class_bodies(module: str) -> dict[str, list[ast.stmt]]:
    """Return the statements in the body of each class of a module, by class name."""
    nodes = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    return {node.name: node.body for node in nodes if isinstance(node, ast.ClassDef)}
