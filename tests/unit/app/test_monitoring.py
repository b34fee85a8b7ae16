"""Metrics, alerts and dashboards of an app: what Prometheus and Grafana read, and who may connect."""

import gc
import json
from typing import Any

import pulumi
import pytest

from stacks.settings import AppStack, SettingsError
from tests.contracts import upstream
from tests.support.app_stacks import SAMPLE_APP, objects, outputs_without, pod_spec, run_app, run_fixture
from tests.unit.app.test_network import allowed

GRAFANA = {"sidecar": {"dashboards": {"label": "grafana_dashboard", "labelValue": "1", "searchNamespace": "ALL"}}}


def monitor(**metrics: Any) -> Any:
    return objects(run_app(SAMPLE_APP, metrics=metrics))["PodMonitor/shop"]["spec"]


def test_prometheus_scrapes_every_pod_of_the_app() -> None:
    assert monitor() == {
        "jobLabel": "app.kubernetes.io/name",
        "selector": {"matchLabels": {"app.kubernetes.io/name": "shop"}},
        "podMetricsEndpoints": [{"portNumber": 9898, "path": "/metrics", "interval": "30s"}],
    }
    (endpoint,) = monitor(port=9797, path="/stats", interval=15)["podMetricsEndpoints"]
    assert endpoint == {"portNumber": 9797, "path": "/stats", "interval": "15s"}
    assert "PodMonitor/shop" not in objects(run_app(SAMPLE_APP))


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        ({}, [("http", 9898)]),
        ({"metrics": {"port": 9898}}, [("http", 9898)]),
        ({"metrics": {"port": 9797}}, [("http", 9898), (None, 9797)]),
        ({"metrics": {"port": 9797}, "ports": {"admin": {"port": 9797}}}, [("http", 9898), ("admin", 9797)]),
        (
            {"metrics": {"port": 9797}, "ports": {"metrics": {"port": 9000}}},
            [("http", 9898), ("metrics", 9000), (None, 9797)],
        ),
    ],
)
def test_the_port_is_one_of_the_pod(given: Any, ports: list[tuple[str | None, int]]) -> None:
    """Or Prometheus, which selects targets by the pod's ports, would find none."""
    found = pod_spec(run_app(SAMPLE_APP, **given), "shop")["containers"][0]["ports"]
    assert [(each.get("name"), each["containerPort"]) for each in found] == ports


def test_only_prometheus_may_connect_to_the_metrics() -> None:
    policy = objects(run_app(SAMPLE_APP, metrics={"port": 9797}))["NetworkPolicy/shop"]
    assert allowed(policy) == ["from ns:traefik 9898", "from ns:monitoring 9797", "to shop-db 5432"]


def test_alerts_name_their_app() -> None:
    (group,) = objects(run_fixture("shop-prod"))["PrometheusRule/shop-prod"]["spec"]["groups"]
    assert group == {
        "name": "shop-prod",
        "rules": [
            {
                "alert": "QueueGrows",
                "expr": 'sum(shop_queue_length{namespace="shop-prod"}) > 100',
                "for": "10m",
                "labels": {"severity": "critical", "namespace": "shop-prod"},
                "annotations": {"summary": "{{ $value }} orders wait."},
            },
            {
                "alert": "Slow",
                "expr": "shop_seconds > 1",
                "labels": {"severity": "warning", "namespace": "shop-prod"},
            },
        ],
    }


def test_dashboards_are_where_grafana_looks() -> None:
    dashboard = objects(run_fixture("shop-prod"))["ConfigMap/shop-prod-dashboard-orders"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert "immutable" not in dashboard, "Grafana finds it by its label, whatever its content"
    assert list(dashboard["data"]) == ["shop-prod.orders.json"], "no other app's file has this name"
    assert json.loads(dashboard["data"]["shop-prod.orders.json"])["uid"] == "orders"


def test_chart_reads_what_apps_have() -> None:
    """The layer `monitoring` changes none of these values."""
    if not upstream.has("kube-prometheus-stack"):
        pytest.skip(f"no values; not there: {upstream.missing('kube-prometheus-stack')}")
    values = upstream.values("kube-prometheus-stack")
    found = values["grafana"]["sidecar"]["dashboards"]
    assert found["enabled"]
    assert {key: found[key] for key in GRAFANA["sidecar"]["dashboards"]} == GRAFANA["sidecar"]["dashboards"]
    spec = values["prometheus"]["prometheusSpec"]
    assert (spec["podMonitorNamespaceSelector"], spec["ruleNamespaceSelector"]) == ({}, {}), "all namespaces"


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    "given",
    [{"metrics": {}}, {"alerts": {"A": {"expr": "up == 0"}}}, {"dashboards": {"a": '{"title": "A"}'}}],
    ids=lambda given: next(iter(given)),
)
def test_a_platform_without_prometheus_is_told(given: Any) -> None:
    (key,) = given
    reason = f"{key}: needs homelab:platform.monitoring, which does not provide metricsEndpoint; enable this"
    with pytest.raises(pulumi.RunError, match=f"homelab:app.{reason}"):
        run_app(SAMPLE_APP, outputs_without("metricsEndpoint"), **given)
    gc.collect()


def test_a_query_in_the_path_of_the_metrics_is_refused() -> None:
    config = {"platform": "lab", "image": "shop:1", "metrics": {"path": "/metrics?format=prometheus"}}
    with pytest.raises(SettingsError) as caught:
        AppStack.parse({"app": config}, set(), "shop")
    assert str(caught.value) == (
        "homelab:app.metrics.path: must not contain a query, because Prometheus encodes the question mark; "
        "remove the query"
    )


def test_a_dashboard_that_is_nested_too_deeply_is_refused() -> None:
    config = {"platform": "lab", "image": "shop:1", "dashboards": {"deep": "[" * 100_000}}
    with pytest.raises(SettingsError, match=r"homelab:app\.dashboards\.deep: is not the JSON of a dashboard"):
        AppStack.parse({"app": config}, set(), "shop")
