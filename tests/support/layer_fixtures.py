"""Layers on the lab of a valid stack file, and what they say."""

from typing import Any

from components.platform.layer import LabContext, Layer
from stacks.catalog import LAYERS as ROWS
from stacks.catalog import PROGRAM_VERSIONS
from tests.support.cluster_fixtures import cluster

LAYERS: dict[str, type[Layer[Any]]] = {row.layer.key: row.layer for row in ROWS}
POOL: dict[str, Any] = {"addresses": ["10.0.0.200-10.0.0.220"]}
PEER: dict[str, Any] = {"address": "10.0.0.1", "asn": 64513}
CLOUDFLARE: dict[str, Any] = {"email": "me@lab.org", "cloudflare": {"apiToken": {"secret": "token"}}}
HTTP: dict[str, Any] = {"email": "me@lab.org", "http01": True}


def lab(name: str = "three-servers", **platform: Any) -> LabContext:
    settings = {key: LAYERS[key].settings_type.model_validate(given) for key, given in platform.items()}
    charts = {chart.name: chart for row in ROWS for chart in row.charts}
    namespaces = {LAYERS[key].namespace for key in settings}
    further = {each for key in settings for each in LAYERS[key].further_namespaces}
    return LabContext(cluster(name), settings, None, charts, namespaces, further, PROGRAM_VERSIONS)


def layer(key: str, found: LabContext) -> Layer[Any]:
    return LAYERS[key](found.layers[key], found)


def values(key: str, found: LabContext) -> Any:
    return next(iter(layer(key, found).values().values()))


def objects(key: str, found: LabContext) -> dict[tuple[str, str], Any]:
    """What stands in the objects after the charts, by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each["spec"] for each in layer(key, found).objects_after_charts()}


def problems(key: str, found: LabContext) -> list[str]:
    return [f"{'.'.join(map(str, place))}: {reason}; {fix}" for place, reason, fix in layer(key, found).findings()]
