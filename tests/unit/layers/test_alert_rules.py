"""Alerts and dashboards: what they speak of is there, and said once."""

import json
import re
from typing import Any

import pytest

from components.app import network
from components.cluster.k3s.settings import S3Settings, SnapshotSettings
from components.layers.monitoring import alert_rules, dashboards
from components.platform.layer import LabContext
from components.settings import cron
from stacks.catalog import LAYERS
from tests.support.layer_fixtures import lab, layer

KEYS = {entry.layer.key for entry in LAYERS}
WATCHED = sorted({*alert_rules._ALERTS, *dashboards._BOARDS})
S3: dict[str, Any] = {"bucket": "lab", "accessKey": {"secret": "id"}, "secretKey": {"secret": "key"}}


def everything() -> LabContext:
    """A lab with all layers that something here speaks of; of their settings nothing is asked."""
    found = lab(monitoring={})
    return LabContext(found.cluster, {**found.layers, **dict.fromkeys(WATCHED, found.layers["monitoring"])})


def alerts(found: LabContext) -> dict[str, Any]:
    made = [each["spec"]["groups"] for each in alert_rules.prometheus_rules(found, "monitoring")]
    return {rule["alert"]: rule for (group,) in made for rule in group["rules"]}


def boards(found: LabContext) -> list[Any]:
    return [json.loads(text) for each in dashboards.config_maps(found, "x") for text in each["data"].values()]


def expressions() -> list[str]:
    shown = [panel["targets"][0]["expr"] for board in boards(everything()) for panel in board["panels"]]
    return [*(rule["expr"] for rule in alerts(everything()).values()), *shown]


def test_layers_that_are_spoken_of_exist() -> None:
    assert set(WATCHED) <= KEYS


@pytest.mark.parametrize("expression", expressions())
def test_expressions_are_balanced(expression: str) -> None:
    bare = re.sub(r'"[^"]*"', "", expression)
    for left, right in ("()", "[]", "{}"):
        assert bare.count(left) == bare.count(right)
    assert "{{" not in bare, "left over of a format"


def test_alerts_have_names_of_their_own_and_say_what_is_wrong() -> None:
    groups = [each["metadata"]["name"] for each in alert_rules.prometheus_rules(everything(), "x")]
    assert len(groups) == len(set(groups))
    for name, rule in alerts(everything()).items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["annotations"]["summary"].endswith((".", ").")), name
        labels = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
        by = re.search(r"by \(([^)]*)\)", rule["expr"])
        assert by is None or set(labels) <= set(by[1].split(", ")), name


@pytest.mark.parametrize(
    ("schedule", "within"),
    [("0 */12 * * *", 1), ("5 4 * * 0", 7), ("0 0 1,15 * *", 31), ("0 0 1 1 *", 366)],
)
def test_snapshots_are_missed_by_their_schedule(schedule: str, within: int) -> None:
    assert cron.longest_interval_days(schedule) == within
    found = lab(monitoring={})
    snapshots = SnapshotSettings(schedule=schedule)
    k3s = found.cluster.k3s.model_copy(update={"snapshots": snapshots})
    rule = alerts(LabContext(found.cluster.model_copy(update={"k3s": k3s})))["EtcdSnapshotMissing"]
    assert rule["expr"].endswith(f"> {(within + 1) * 86400}")


def test_copies_of_snapshots_are_missed_where_there_should_be_some() -> None:
    found = lab(monitoring={})
    snapshots = SnapshotSettings(s3=S3Settings.model_validate(S3))
    k3s = found.cluster.k3s.model_copy(update={"snapshots": snapshots})
    made = alerts(LabContext(found.cluster.model_copy(update={"k3s": k3s})))
    assert set(made) == {f"EtcdSnapshot{name}" for name in ("Missing", "CopyMissing", "Failed", "CopyFailed")}
    assert '{node="s3", ready="true"}' in made["EtcdSnapshotCopyMissing"]["expr"]
    assert '{node="s3", ready="false"}' in made["EtcdSnapshotCopyFailed"]["expr"]


def test_failed_snapshots_do_not_count_as_snapshots() -> None:
    """K3s records a failed snapshot with its time of creation, and `readyToUse: false`."""
    found = alerts(lab(monitoring={}))
    assert 'ready="true"' in found["EtcdSnapshotMissing"]["expr"]
    assert 'ready="false"' not in found["EtcdSnapshotMissing"]["expr"]
    values = layer("monitoring", lab(monitoring={})).values()["kube-prometheus-stack"]["kube-state-metrics"]
    (resource,) = values["customResourceState"]["config"]["spec"]["resources"]
    assert resource["labelsFromPath"]["ready"] == ["status", "readyToUse"]


def test_snapshots_are_counted_and_may_be_read() -> None:
    values = layer("monitoring", lab(monitoring={})).values()["kube-prometheus-stack"]["kube-state-metrics"]
    (resource,) = values["customResourceState"]["config"]["spec"]["resources"]
    (rule,) = values["rbac"]["extraRules"]
    assert rule["apiGroups"] == [resource["groupVersionKind"]["group"]]
    name = f"{resource['metricNamePrefix']}_{resource['metrics'][0]['name']}"
    assert all(name in each["expr"] for key, each in alerts(lab(monitoring={})).items() if "Snapshot" in key)


def test_databases_of_apps_let_themselves_be_read() -> None:
    found = lab(certManager={}, cloudnativePg={}, monitoring={})
    (monitor,) = (each for each in layer("monitoring", found).objects_after_charts() if each["kind"] == "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    assert layer("monitoring", found).namespace == network.MONITORING_NAMESPACE
    assert not [
        each for each in layer("monitoring", lab(monitoring={})).objects_after_charts() if each["kind"] == "PodMonitor"
    ]


def test_dashboards_are_found_by_grafana_and_fill_rows_of_two() -> None:
    made = list(dashboards.config_maps(everything(), "monitoring"))
    assert {each["metadata"]["labels"]["grafana_dashboard"] for each in made} == {"1"}
    assert len({board["uid"] for board in boards(everything())}) == len(made) == len(dashboards._BOARDS)
    for board in boards(everything()):
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert places[:4] == [(0, 0), (12, 0), (0, 8), (12, 8)][: len(places)]
        assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"prometheus"}
        for panel in board["panels"]:
            target = panel["targets"][0]
            by = re.search(r"by \(([^)]*)\)", target["expr"])
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert by is None or shown <= set(by[1].split(", ")), panel["title"]
