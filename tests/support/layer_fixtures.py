"""Layers on the lab of a valid stack file: values, objects and problems."""

from typing import Any

from components.platform.layer import LabContext, Layer
from stacks.catalog import LAYERS as ROWS
from stacks.catalog import PROGRAM_VERSIONS
from tests.support.cluster_fixtures import cluster

LAYERS: dict[str, type[Layer[Any]]] = {entry.layer.key: entry.layer for entry in ROWS}
POOL: dict[str, Any] = {"addresses": ["10.0.0.200-10.0.0.220"]}
PEER: dict[str, Any] = {"address": "10.0.0.1", "asn": 64513}
CLOUDFLARE: dict[str, Any] = {"email": "me@lab.org", "cloudflare": {"apiToken": {"secret": "token"}}}
HTTP: dict[str, Any] = {"email": "me@lab.org", "http01": True}


def lab(name: str = "three-servers", **platform: Any) -> LabContext:
    settings = {key: LAYERS[key].settings_type.model_validate(given) for key, given in platform.items()}
    charts = {chart.name: chart for entry in ROWS for chart in entry.charts}
    namespaces = {LAYERS[key].namespace for key in settings}
    further = {each for key in settings for each in LAYERS[key].further_namespaces}
    return LabContext(cluster(name), settings, None, charts, namespaces, further, PROGRAM_VERSIONS)


def layer(key: str, context: LabContext) -> Layer[Any]:
    return LAYERS[key](context.layers[key], context)


def values(key: str, context: LabContext) -> Any:
    return next(iter(layer(key, context).values().values()))


def objects(key: str, context: LabContext) -> dict[tuple[str, str], Any]:
    """Return the specifications of the layer's custom resources, by kind and name."""
    return {
        (each["kind"], each["metadata"]["name"]): each["spec"] for each in layer(key, context).objects_after_charts()
    }


def problems(key: str, context: LabContext) -> list[str]:
    return [f"{'.'.join(map(str, place))}: {reason}; {fix}" for place, reason, fix in layer(key, context).findings()]
