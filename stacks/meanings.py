"""What the settings mean: the strings that stand below the fields in the source, read when someone asks."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from components.model import Model


def meanings(model: type[Model]) -> dict[str, str]:
    """Return the meaning of each field of `model` by its name."""
    kinds = [kind for kind in reversed(model.__mro__) if issubclass(kind, Model)]
    written = {name: text for kind in kinds for name, text in _below_fields(kind)}
    return {name: field.description or written[name] for name, field in model.model_fields.items()}


def _below_fields(kind: type[Model]) -> Iterator[tuple[str, str]]:
    # a model that is put together at run time says itself what its fields mean
    for field, below in pairwise(_bodies(kind.__module__).get(kind.__name__, ())):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


@cache
def _bodies(module: str) -> dict[str, list[ast.stmt]]:
    """What stands in each class of a module."""
    whole = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    return {each.name: each.body for each in whole if isinstance(each, ast.ClassDef)}
