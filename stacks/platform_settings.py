"""The settings of the platform: one key for each layer of the catalog."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from components.fields import ChartsUrl, Sha256, Text
from components.lab import ClusterSettings
from components.layer import Chart, Lab
from components.model import UNKNOWN, Model, snake
from components.object_store import ObjectStoreSettings
from components.overlay import Values
from stacks.catalog import LAYERS, PINS, PROGRAMS


class _Common(Model):
    """The platform. A layer is on when its key is there; `{}` takes all its defaults."""

    chart_mirror: ChartsUrl | None = None
    """Helm repository, or folder of a registry, that has the charts of all layers and is asked for them instead."""
    versions: dict[Text, Text] = Field(default_factory=dict)
    """Versions of charts, by the chart's name, instead of those that this program brings."""
    pins: dict[Text, Sha256] = Field(default_factory=dict)
    """SHA-256 of charts' archives, by the chart's name, where they are not those that this program brings."""
    values: dict[Text, Values] = Field(default_factory=dict)
    """Values of charts, by the chart's name, over those that this program gives; the chart must know them."""
    object_store: ObjectStoreSettings | None = None
    """Bucket for what layers keep in S3, each in a folder of its own, where they name no bucket themselves."""
    discard: tuple[Text, ...] = ()
    """Layers that may be switched off although they keep data, which is lost then."""

    def layers(self) -> Mapping[str, Model]:
        """Settings of the layers that are on, by key."""
        found = {row.layer.key: self.__dict__[snake(row.layer.key)] for row in LAYERS}
        return {key: settings for key, settings in found.items() if isinstance(settings, Model)}

    def lab(self, cluster: ClusterSettings) -> Lab:
        """What layers may know: the cluster, what is on, the bucket that is shared, and the charts."""
        wrong = any(self.__dict__[key] is UNKNOWN for key in ("versions", "pins", "chart_mirror"))
        on, charts = self.layers(), {} if wrong else self.charts()
        layers = [row.layer for row in LAYERS if row.layer.key in on]
        namespaces = {layer.namespace for layer in layers}
        further = {name for layer in layers for name in layer.further_namespaces}
        return Lab(cluster, on, self.__dict__["object_store"], charts, namespaces, further, PROGRAMS)

    def charts(self) -> dict[str, Chart]:
        """All charts of the catalog by name: of the version, from the repository and as pinned by the settings."""
        return {chart.name: self._chosen(chart) for row in LAYERS for chart in row.charts}

    def _chosen(self, chart: Chart) -> Chart:
        version = self.versions.get(chart.name, chart.version)
        sha256 = self.pins.get(chart.name) or PINS.get(f"{chart.name}-{version}.tgz")
        return Chart(chart.name, version, self.chart_mirror or chart.repository, sha256)

    def wrong(self) -> frozenset[str]:
        """Keys of layers whose settings are not even a mapping."""
        return frozenset(row.layer.key for row in LAYERS if self.__dict__[snake(row.layer.key)] is UNKNOWN)


def _fields() -> dict[str, Any]:
    return {
        snake(row.layer.key): (row.layer.settings_type, Field(default=None, description=_title(row.layer)))
        for row in LAYERS
    }


def _title(kind: type[object]) -> str:
    return str(kind.__doc__).partition("\n")[0]


if TYPE_CHECKING:
    PlatformSettings = _Common
else:
    PlatformSettings = create_model("PlatformSettings", __base__=_Common, __doc__=_Common.__doc__, **_fields())
