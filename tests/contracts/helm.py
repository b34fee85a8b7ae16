"""What charts render to, where the chart and the Helm in Pulumi's Kubernetes plugin are at hand."""

import atexit
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from operations.render import PLUGIN, Renderer, RenderError, find_plugin, start_renderer
from rehearsal import recipes
from stacks.catalog import K3S_VERSION, LAYERS
from tests.contracts import places
from tests.contracts.places import NotHereError


@cache
def _running() -> Renderer | str:
    """The plugin, which runs until the end, or why there is none."""
    stack = ExitStack()
    atexit.register(stack.close)
    try:
        return stack.enter_context(start_renderer(K3S_VERSION, _program()))
    except RenderError as error:
        return str(error)


def _program() -> Path:
    """Pulumi's plugin, or the one that the rehearsal has built."""
    try:
        return find_plugin()
    except RenderError:
        built = recipes.built_provider().folder / PLUGIN
        if built.is_file():
            return built
        raise


def objects(chart: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All objects of the catalog's chart with these values. Raises NotHereError, RenderError."""
    return objects_of(places.archive(chart), chart, values)


def objects_of(archive: Path, chart: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All objects of this archive in the place of the catalog's chart. Raises NotHereError, RenderError."""
    helm = _running()
    namespace = next(entry.layer.namespace for entry in LAYERS if chart in [each.name for each in entry.charts])
    if isinstance(helm, str):
        raise NotHereError(helm)
    return [_whole(each) for each in helm.render(archive, chart, namespace, values)]


def _whole(tree: Any) -> Any:
    """Whole numbers as such: on their way all numbers were made fractions."""
    if isinstance(tree, dict):
        return {key: _whole(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_whole(value) for value in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree
