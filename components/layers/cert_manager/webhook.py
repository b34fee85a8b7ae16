"""DNS-01 challenges with a webhook of a DNS provider: the settings, the Helm chart and the solver of the webhook."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json
from components.platform.chart_values import ChartValues, MappingType
from components.settings.fields import ChartRepositoryUrl, DnsLabel, Domain, Text
from components.settings.model import Model, SecretRef

NAME = "webhook"
"""Name of the Kubernetes Secret with the Pulumi secrets in the setting `config`."""
WebhookConfig = Annotated[dict[str, Any], MappingType("configuration of a webhook", "the webhook's documentation")]


class WebhookChartSettings(Model):
    """Settings of the Helm chart that installs a webhook in the namespace of cert-manager."""

    name: DnsLabel
    """Name of the Helm chart, and of its Helm release."""
    repository: ChartRepositoryUrl
    """URL of the Helm repository, or of a folder in an OCI registry, that contains the Helm chart."""
    version: Text
    """Version of the Helm chart."""
    values: ChartValues = Field(default_factory=dict)
    """Helm values of the chart. Most webhooks require `groupName` in their Helm values too."""

    @property
    def chart(self) -> Chart:
        """The Helm chart, without a checksum."""
        return Chart(self.name, self.version, self.repository)


class WebhookSolverSettings(Model):
    """Settings of DNS-01 challenges with a webhook, for DNS providers that cert-manager itself does not support.

    Each secret `{secret: NAME}` in `config` becomes a reference `{name: webhook, key: NAME}` to the Kubernetes Secret
    `webhook` in the namespace of cert-manager.
    """

    group_name: Domain
    """API group of the webhook, as in the Helm values of the webhook."""
    solver_name: Text
    """Name of the solver in the webhook, from the documentation of the webhook."""
    config: WebhookConfig | None = None
    """Configuration of the solver, from the documentation of the webhook."""
    chart: WebhookChartSettings
    """Helm chart of the webhook."""

    @property
    def secrets(self) -> dict[str, SecretRef]:
        """Pulumi secrets in `config`, by their key in the Kubernetes Secret `webhook`."""
        return {reference.secret: reference for reference in _references(self.config)}

    @property
    def solver(self) -> dict[str, Json]:
        """The solver in the form of cert-manager."""
        config = {"config": _with_selectors(self.config)} if self.config else {}
        return {"groupName": self.group_name, "solverName": self.solver_name, **config}


def _references(value: Json) -> Iterator[SecretRef]:
    if isinstance(value, SecretRef):
        yield value
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _references(inner)


def _with_selectors(value: Json) -> Json:
    """Replace each Pulumi secret with a SecretKeySelector of Kubernetes."""
    if isinstance(value, SecretRef):
        return {"name": NAME, "key": value.secret}
    if isinstance(value, dict):
        return {key: _with_selectors(inner) for key, inner in value.items()}
    return list(map(_with_selectors, value)) if isinstance(value, list | tuple) else value
