"""Checks of an app's metrics and Grafana dashboards."""

import json
from typing import Any

from components.app.settings import AppSettings
from components.settings.errors import Findings

_MAX_DASHBOARD_BYTES = 1000 * 1024
"""Maximum bytes of a dashboard in a ConfigMap, whose limit of 1 MiB includes the key."""


def monitoring_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the app's metrics settings, and of each invalid dashboard."""
    yield from _metrics_port(app)
    yield from _metrics_path(app)
    yield from _dashboards(app)


def _metrics_port(app: AppSettings) -> Findings:
    for name, port in app.ports.items():
        if app.metrics and port.port == app.metrics.port != app.port and port.protocol != "TCP":
            yield ("metrics", "port"), f"is {port.protocol} in ports.{name}", "use a TCP port"


def _metrics_path(app: AppSettings) -> Findings:
    if app.metrics and "?" in app.metrics.path:
        reason = "must not contain a query, because Prometheus encodes the question mark"
        yield ("metrics", "path"), reason, "remove the query"


def _dashboards(app: AppSettings) -> Findings:
    for name, text in app.dashboards.items():
        loc = ("dashboards", name)
        if len(text.encode()) > _MAX_DASHBOARD_BYTES:
            reason = f"has {len(text.encode()) // 1024} KiB, but at most {_MAX_DASHBOARD_BYTES // 1024} KiB fit"
            yield loc, f"{reason} into a ConfigMap", "split the dashboard"
        dashboard = _parsed(text)
        if not isinstance(dashboard, dict) or not dashboard.get("title"):
            fix = "paste the JSON that Grafana exports, as a block after |"
            yield loc, "is not the JSON of a dashboard with a title", fix
        elif dashboard.get("__inputs"):
            reason = "has __inputs, which Grafana fills in only when a user imports the dashboard in the web UI"
            yield loc, reason, "name the data sources in the JSON, and remove __inputs"


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
