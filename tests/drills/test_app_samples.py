"""A rehearsed lab's API server accepts the samples of apps, and the monitoring of an app, from an app stack.

Objects of the samples are not created, except their namespaces. The Prometheus Operator is a stand-in, which scrapes
nothing.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.labs import stack_document
from stacks import stackfile
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse
from tests.support.app_samples import APP_SAMPLES, sample_objects

pytestmark = pytest.mark.drill

PLATFORM: dict[str, Any] = {
    "metallb": {"addresses": ["10.9.0.200-10.9.0.220"]}, "certManager": {}, "cloudnativePg": {}, "monitoring": {},
}  # fmt: skip
APP: dict[str, Any] = {
    "platform": "samples",
    "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
    "port": 9898,
    "replicas": 1,
    "metrics": {"port": 9797, "interval": 15},
    "alerts": {"Down": {"expr": 'up{namespace="shop"} == 0', "for": "5m", "severity": "critical"}},
    "dashboards": {"shop": '{"title": "Shop", "uid": "shop", "panels": []}'},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("samples")
    document = stack_document(1, 0, apps={"podSecurity": "privileged"})
    document["config"]["homelab:platform"] = PLATFORM
    file = folder / "Pulumi.shop.yaml"
    write_stack_file(file, app=APP)
    with rehearse("samples", document, folder, apps=[file]) as found:
        found.up()
        yield found


@pytest.fixture(scope="module")
def kubeconfig(lab: RehearsedLab) -> Path:
    """Return the file with the kubeconfig of app stacks."""
    file = lab.lab.folder / "kubeconfig-of-apps"
    file.touch(mode=0o600)
    file.write_text(str(lab.session.engine.outputs()["appKubeconfig"]))
    return file


def apply(lab: RehearsedLab, file: Path, objects: list[dict[str, Any]], *options: str) -> str:
    objects_list = {"apiVersion": "v1", "kind": "List", "items": objects}
    return lab.kubectl_as(file, "apply", "--server-side", *options, "-f", "-", stdin=objects_list)


@pytest.mark.parametrize("file", APP_SAMPLES, ids=stackfile.stack_name)
def test_api_server_accepts_the_sample(lab: RehearsedLab, kubeconfig: Path, file: Path) -> None:
    objects = sample_objects(file)
    namespaces = [each for each in objects if each["kind"] == "Namespace"]
    assert "serverside-applied\n" in apply(lab, kubeconfig, namespaces)
    said = apply(lab, kubeconfig, [each for each in objects if each not in namespaces], "--dry-run=server")
    accepted = re.findall(r"^\S+ serverside-applied \(server dry run\)$", said, re.MULTILINE)
    assert said.splitlines() == accepted, "nor does the Pod Security level of a namespace forbid a pod"
    assert len(accepted) == len(objects) - len(namespaces)


def test_monitoring_of_an_app_is_deployed(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "an app with metrics, alerts and a dashboard"):
        lab.up(engine=lab.app_engine("shop"))
    monitor = json.loads(lab.kubectl("get", "podmonitor", "-n", "shop", "shop", "-o", "json"))["spec"]
    assert monitor["podMetricsEndpoints"] == [{"portNumber": 9797, "path": "/metrics", "interval": "15s"}]
    (pod,) = json.loads(lab.kubectl("get", "pods", "-n", "shop", "-o", "json"))["items"]
    assert 9797 in [each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]]
    assert pod["metadata"]["labels"].items() >= monitor["selector"]["matchLabels"].items()
    rule = json.loads(lab.kubectl("get", "prometheusrule", "-n", "shop", "shop", "-o", "json"))["spec"]
    assert [each["alert"] for group in rule["groups"] for each in group["rules"]] == ["Down"]
    labelled = lab.kubectl("get", "configmaps", "-A", "-l", "grafana_dashboard=1", "-o", "name")
    assert "configmap/shop-dashboard-shop\n" in labelled
    assert " unchanged\n" in lab.up("--expect-no-changes", engine=lab.app_engine("shop"))


@pytest.mark.parametrize(
    "change",
    [
        {"namespaceSelector": {"any": True}},
        {"podMetricsEndpoints": [{"relabelings": [{"targetLabel": "__address__", "replacement": "10.9.0.11:6443"}]}]},
        {"podMetricsEndpoints": [{"portNumber": 9797, "proxyUrl": "http://10.9.0.11:6443"}]},
    ],
    ids=["namespaceSelector", "relabelings", "proxyUrl"],
)
def test_prometheus_scrapes_no_other_targets_for_an_app(lab: RehearsedLab, kubeconfig: Path, change: Any) -> None:
    metadata = {"name": "other", "namespace": "shop"}
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": metadata}
    spec = {"selector": {}, "podMetricsEndpoints": [{"portNumber": 9797}]}
    said = apply(lab, kubeconfig, [{**monitor, "spec": spec | change}], "--dry-run=server")
    assert "app stacks may let Prometheus scrape only pods of their namespace" in said
    assert "server dry run" in apply(lab, kubeconfig, [{**monitor, "spec": spec}], "--dry-run=server")


def test_app_stacks_create_no_service_monitor(lab: RehearsedLab, kubeconfig: Path) -> None:
    metadata = {"name": "other", "namespace": "shop"}
    endpoint = {"bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata,
        "spec": {"selector": {}, "endpoints": [endpoint]},
    }  # fmt: skip
    assert "is forbidden" in apply(lab, kubeconfig, [monitor], "--dry-run=server")


def test_app_with_monitoring_is_destroyed(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("destroy", "--yes", engine=lab.app_engine("shop"))
    assert "namespace/shop\n" not in lab.kubectl("get", "namespaces", "-o", "name")
