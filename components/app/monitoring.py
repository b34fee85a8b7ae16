"""Monitoring of an app: the PodMonitor, the PrometheusRule and the ConfigMaps with Grafana dashboards."""

from collections.abc import Iterator

from components.app.monitoring_settings import AppMetricsSettings
from components.app.objects import labels, metadata
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest

_API_VERSION = "monitoring.coreos.com/v1"
_DASHBOARD_LABEL = {"grafana_dashboard": "1"}
"""Label of the ConfigMaps that Grafana's sidecar loads from all namespaces."""


def metrics_port(app: AppSettings) -> int | None:
    """Return the port that Prometheus scrapes, or None if the app has no `metrics`."""
    return (app.metrics.port or app.port) if app.metrics else None


def additional_port(app: AppSettings) -> int | None:
    """Return the port that Prometheus scrapes if `port` and `ports` of the app do not contain it, otherwise None."""
    number = metrics_port(app)
    return None if number in {app.port, *(port.in_pods for port in app.ports.values())} else number


def monitoring_objects(app: AppSettings) -> Iterator[Manifest]:
    """Yield the app's PodMonitor and PrometheusRule, and a ConfigMap for each Grafana dashboard."""
    if app.metrics:
        yield _pod_monitor(app, app.metrics)
    if app.alerts:
        yield _prometheus_rule(app)
    for name, text in app.dashboards.items():
        meta = metadata(app, f"{app.name}-dashboard-{name}")
        meta["labels"] |= _DASHBOARD_LABEL
        # Grafana's sidecar writes the files of all ConfigMaps into one folder; with a dash instead of the dot, the
        # dashboard `b-c` of the app `a` and the dashboard `c` of the app `a-b` would have the same file name
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {f"{app.name}.{name}.json": text}}


def _pod_monitor(app: AppSettings, metrics: AppMetricsSettings) -> Manifest:
    """Return the PodMonitor of the app's pods.

    Apps have no ServiceMonitor, because its field `bearerTokenFile` can make Prometheus send its own token to the app.
    """
    endpoint = {"portNumber": metrics_port(app), "path": metrics.path, "interval": f"{metrics.interval}s"}
    spec = {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": labels(app)},
        "podMetricsEndpoints": [endpoint],
    }
    return {"apiVersion": _API_VERSION, "kind": "PodMonitor", "metadata": metadata(app, app.name), "spec": spec}


def _prometheus_rule(app: AppSettings) -> Manifest:
    spec = {"groups": [{"name": app.name, "rules": list(_rules(app))}]}
    return {"apiVersion": _API_VERSION, "kind": "PrometheusRule", "metadata": metadata(app, app.name), "spec": spec}


def _rules(app: AppSettings) -> Iterator[Json]:
    for name, alert in app.alerts.items():
        yield {
            "alert": name,
            "expr": alert.expr,
            **({"for": alert.for_} if alert.for_ else {}),
            # Alertmanager selects the app's receivers by the label `namespace`, which an aggregation in `expr` removes
            "labels": {"severity": alert.severity, "namespace": app.name},
            **({"annotations": {"summary": alert.summary}} if alert.summary else {}),
        }
