"""Settings of an app's metrics and alerts in Prometheus."""

from typing import Annotated, Literal

from components.settings.fields import Port, Text
from components.settings.kubernetes_fields import Seconds, UrlPath, matching
from components.settings.model import Model

AlertName = Annotated[
    str,
    matching(
        "alert name",
        "[A-Za-z][A-Za-z0-9_]*",
        "use letters, digits and underscores, and start with a letter, such as QueueGrows",
    ),
]
Duration = Annotated[
    str,
    matching(
        "duration",
        "(?=[0-9])([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?",
        "write it like 30s, 10m or 1h30m",
    ),
]


class AppMetricsSettings(Model):
    """Settings of the metrics of the app's pods, which Prometheus scrapes through a PodMonitor."""

    port: Port | None = None
    """TCP port of the metrics. Default: the app's port."""
    path: UrlPath = "/metrics"
    """Path of the metrics."""
    interval: Seconds = 30
    """Seconds between two scrapes."""


class AppAlertSettings(Model):
    """An alert rule of the app."""

    expr: Text
    """Condition of the alert, as a PromQL expression. Prometheus creates an alert for each time series in the result of
    the expression."""
    for_: Duration | None = None
    """Duration for which the condition must hold before the alert fires, such as 10m. Default: the alert fires as soon
    as the condition holds."""
    severity: Literal["critical", "warning", "info"] = "warning"
    """The alert's label `severity`, by which Alertmanager routes the alert to receivers of the platform."""
    summary: Text | None = None
    """Text of the alert, which can contain Prometheus template variables, such as `{{ $labels.pod }}`. Default:
    none."""
