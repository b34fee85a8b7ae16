"""Settings of the platform, with one key for each layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, create_model

from components.cluster.settings import ClusterSettings
from components.kubernetes.chart import Chart
from components.platform.chart_values import ChartValues
from components.platform.layer import LabContext
from components.platform.object_store import ObjectStoreSettings
from components.settings.errors import setting_error
from components.settings.fields import ChartRepositoryUrl, Sha256, Text
from components.settings.model import Model, snake_case
from stacks.catalog import LAYERS, PINS, PROGRAM_VERSIONS


class _Common(Model):
    """Settings of the platform.

    A key with the name of a layer enables the layer; `{}` enables the layer with its default settings.
    """

    chart_mirror: ChartRepositoryUrl | None = None
    """URL of a Helm repository, or of a folder in an OCI registry, from which homelab downloads all Helm charts."""
    versions: dict[Text, Text] = Field(default_factory=dict)
    """Versions of Helm charts by chart name, which override the default versions of homelab."""
    pins: dict[Text, Sha256] = Field(default_factory=dict)
    """SHA-256 checksums of chart archives by chart name, for Helm charts that homelab does not pin."""
    values: dict[Text, ChartValues] = Field(default_factory=dict)
    """Helm values by chart name, which override the values that homelab sets. homelab rejects a top-level key that the
    chart's own values do not contain."""
    object_store: ObjectStoreSettings | None = None
    """S3 bucket for all layers that have no S3 bucket of their own. Each layer uses its own folder in the shared
    bucket."""
    discard: tuple[Text, ...] = ()
    """Keys of layers that you may disable even if they contain user data, which homelab then deletes."""

    def enabled_layers(self) -> Mapping[str, Model]:
        """Return the settings of all enabled layers, by the key of the layer."""
        settings_by_key = {entry.layer.key: getattr(self, snake_case(entry.layer.key)) for entry in LAYERS}
        return {key: settings for key, settings in settings_by_key.items() if settings is not None}

    def lab(self, cluster: ClusterSettings) -> LabContext:
        """Return the settings that layers read: the cluster, enabled layers, the shared S3 bucket and the charts."""
        enabled = self.enabled_layers()
        layers = [entry.layer for entry in LAYERS if entry.layer.key in enabled]
        namespaces = {layer.namespace for layer in layers}
        further = {name for layer in layers for name in layer.further_namespaces}
        return LabContext(cluster, enabled, self.object_store, self.charts(), namespaces, further, PROGRAM_VERSIONS)

    def charts(self) -> dict[str, Chart]:
        """Return all layers' Helm charts by chart name, with versions, repositories and checksums from the settings."""
        catalog = [chart for entry in LAYERS for chart in entry.charts]
        return {chart.name: self._configured(chart) for chart in (*catalog, *self.further_charts())}

    def further_charts(self) -> list[Chart]:
        """Return the Helm charts that only the settings of enabled layers name."""
        enabled = self.enabled_layers()
        entries = [entry for entry in LAYERS if entry.layer.key in enabled]
        return [chart for entry in entries for chart in entry.layer.further_charts(enabled[entry.layer.key])]

    def _configured(self, chart: Chart) -> Chart:
        version = self.versions.get(chart.name, chart.version)
        sha256 = self.pins.get(chart.name) or PINS.get(f"{chart.name}-{version}.tgz")
        return Chart(chart.name, version, self.chart_mirror or chart.repository, sha256)


def _fields() -> dict[str, Any]:
    return {
        snake_case(entry.layer.key): (
            Annotated[entry.layer.settings_type, BeforeValidator(_not_empty)],
            Field(default=None, description=_title(entry.layer)),
        )
        for entry in LAYERS
    }


def _not_empty(value: object) -> object:
    """Refuse an empty key of a layer, which in a stack file neither enables nor disables the layer."""
    if value is None:
        raise setting_error("is empty", "write {} to enable the layer with its default settings, or remove the key")
    return value


def _title(layer: type[object]) -> str:
    return str(layer.__doc__).partition("\n")[0]


if TYPE_CHECKING:
    PlatformSettings = _Common
else:
    PlatformSettings = create_model("PlatformSettings", __base__=_Common, __doc__=_Common.__doc__, **_fields())
