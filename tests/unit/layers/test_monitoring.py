"""Monitoring: its volumes, K3s' parts, Grafana's page, receivers of alerts."""

from typing import Any

import pytest

from components.cluster.settings import K3sSettings
from components.platform.layer import LabContext
from components.settings.model import SecretRef
from stacks.catalog import K3S_VERSION
from tests.support.layer_fixtures import CLOUDFLARE, lab, layer, problems
from tests.support.recorder import config_of, record
from tests.support.settings_fixtures import ROOT

FILE = ROOT / "tests/settings/valid/three-servers.yaml"
EMAIL: dict[str, Any] = {"to": ["me@lab.org"], "sender": "lab@lab.org", "server": "mail.lab.org"}
HOOK: dict[str, Any] = {"webhook": {"url": {"secret": "hook"}}}


def stack(found: LabContext) -> Any:
    return layer("monitoring", found).values()["kube-prometheus-stack"]


@pytest.mark.parametrize(("size", "kept"), [("20Gi", "16384MiB"), ("1Ti", "838860MiB"), ("512Mi", "409MiB")])
def test_metrics_leave_room_in_their_volume(size: str, kept: str) -> None:
    given = stack(lab(monitoring={"size": size, "retentionDays": 3}))["prometheus"]["prometheusSpec"]
    assert (given["retention"], given["retentionSize"]) == ("3d", kept)
    spec = given["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert spec["resources"] == {"requests": {"storage": size}}


@pytest.mark.parametrize(
    ("beside", "given", "chosen"),
    [
        ({}, {}, None),
        ({"longhorn": {}}, {}, "longhorn-single"),
        ({"longhorn": {}}, {"storageClass": "nfs"}, "nfs"),
        ({}, {"storageClass": "nfs"}, "nfs"),
    ],
)
def test_class_of_the_volumes(beside: dict[str, Any], given: dict[str, Any], chosen: str | None) -> None:
    values = stack(lab(**beside, monitoring=given))
    for volume in (
        values["prometheus"]["prometheusSpec"]["storageSpec"],
        values["alertmanager"]["alertmanagerSpec"]["storage"],
    ):
        assert volume["volumeClaimTemplate"]["spec"].get("storageClassName") == chosen


@pytest.mark.parametrize(("name", "count"), [("three-servers", 2), ("one-server", 1)])
def test_two_where_there_are_two_machines(name: str, count: int) -> None:
    values = stack(lab(name, monitoring={}))
    for part in ("prometheus", "alertmanager"):
        assert values[part][f"{part}Spec"]["replicas"] == count
        assert values[part]["podDisruptionBudget"]["enabled"] is (count > 1)


def with_options(k3s: dict[str, Any], nodes: dict[str, dict[str, Any]]) -> Any:
    found = lab(monitoring={})
    cluster = found.cluster.model_copy(
        update={
            "k3s": K3sSettings.model_validate({"version": K3S_VERSION} | k3s),
            "nodes": tuple(
                node.model_copy(update={"options": nodes.get(node.name, {})}) for node in found.cluster.nodes
            ),
        }
    )
    return stack(LabContext(cluster, found.layers))


@pytest.mark.parametrize(
    ("k3s", "nodes", "endpoints"),
    [
        ({}, {}, []),
        ({"serverOptions": {"etcd-expose-metrics": True}}, {}, ["10.0.0.11", "10.0.0.12", "10.0.0.13"]),
        (
            {"serverOptions": {"etcd-expose-metrics": True}},
            {"b": {"etcd-expose-metrics": False}},
            ["10.0.0.11", "10.0.0.13"],
        ),
        ({}, {"c": {"etcd-expose-metrics": True}}, ["10.0.0.13"]),
    ],
)
def test_etcd_is_watched_where_it_shows_its_metrics(k3s: Any, nodes: Any, endpoints: list[str]) -> None:
    values = with_options(k3s, nodes)
    assert values["kubeEtcd"] == {"enabled": bool(endpoints), "endpoints": endpoints}
    assert values["defaultRules"]["rules"]["etcd"] is bool(endpoints)
    for part in ("kubeControllerManager", "kubeScheduler", "kubeProxy"):
        assert values[part] == {"enabled": False}


def test_page_has_a_certificate_where_there_are_issuers() -> None:
    assert stack(lab(monitoring={}))["grafana"]["ingress"] == {"enabled": False}
    plain = stack(lab(traefik={}, monitoring={}))["grafana"]["ingress"]
    assert (plain["hosts"], plain["tls"], plain["annotations"]) == (["grafana.lab.example.com"], [], {})
    page = {"host": "m.lan", "issuer": "ca"}
    found = lab(certManager={"acme": CLOUDFLARE, "ca": {}}, traefik={}, monitoring={"grafana": page})
    signed = stack(found)["grafana"]["ingress"]
    assert signed["annotations"] == {"cert-manager.io/cluster-issuer": "ca"}
    assert signed["tls"] == [{"secretName": "grafana-tls", "hosts": ["m.lan"]}]


def test_password_of_admin_is_the_charts_business() -> None:
    assert "adminPassword" not in stack(lab(monitoring={}))["grafana"]
    settings = {"grafana": {"adminPassword": {"secret": "admin"}}}
    assert stack(lab(monitoring=settings))["grafana"]["adminPassword"] == SecretRef(secret="admin")


def named(kind: str, found: LabContext) -> dict[str, Any]:
    everything = layer("monitoring", found).objects_after_charts()
    return {each["metadata"]["name"]: each["spec"] for each in everything if each["kind"] == kind}


def alerts(found: LabContext) -> set[str]:
    return set(named("PrometheusRule", found))


def test_receivers_get_what_is_as_severe_and_secrets_stand_apart() -> None:
    login = {"username": "lab", "password": {"secret": "mail"}}
    given = {"me": {"email": EMAIL | login, "severities": ["critical"]}, "relay": {"email": EMAIL}, "pager": HOOK}
    found = lab(monitoring={"receivers": given})
    secrets = {it["metadata"]["name"]: it["stringData"] for it in layer("monitoring", found).objects_before_charts()}
    assert secrets == {
        "receiver-me": {"password": SecretRef(secret="mail")},
        "receiver-pager": {"url": SecretRef(secret="hook")},
    }
    made = named("AlertmanagerConfig", found)
    me = made["me"]
    assert me["route"]["matchers"] == [{"name": "severity", "matchType": "=~", "value": "critical"}]
    (mail,) = me["receivers"][0]["emailConfigs"]
    assert mail["smarthost"] == "mail.lab.org:587"
    assert mail["authPassword"] == {"name": "receiver-me", "key": "password"}
    (relayed,) = made["relay"]["receivers"][0]["emailConfigs"]
    assert "authUsername" not in relayed
    (hook,) = made["pager"]["receivers"][0]["webhookConfigs"]
    assert hook["urlSecret"] == {"name": "receiver-pager", "key": "url"}


def test_alerts_are_on_layers_that_are_on() -> None:
    assert alerts(lab(monitoring={})) == {"snapshots"}
    assert alerts(lab(certManager={}, monitoring={})) == {"snapshots", "certificates"}
    assert alerts(lab(longhorn={}, monitoring={})) == {"snapshots", "volumes"}


def test_crds_come_before_any_other_chart() -> None:
    run = record(config_of(FILE) | {"platform": {"certManager": {}, "monitoring": {}}})
    for name in ("certManager-cert-manager", "monitoring-kube-prometheus-stack"):
        assert run.resource("monitoring-prometheus-operator-crds").urn in run.resource(name).depends_on
    assert run.stack_outputs["monitoring"] is True


@pytest.mark.parametrize(
    ("platform", "report"),
    [
        (
            {"monitoring": {"grafana": {"host": "m.lan"}}},
            "grafana.host: needs traefik, which is disabled; add traefik: {} next to monitoring",
        ),
        (
            {"traefik": {}, "monitoring": {"grafana": {"issuer": "ca"}}},
            "grafana.issuer: needs certManager, which is disabled; add certManager: {} next to monitoring",
        ),
        (
            {"certManager": {}, "traefik": {}, "monitoring": {"grafana": {"issuer": "acme"}}},
            "grafana.issuer: is not an issuer of certManager; use one of: ca",
        ),
        (
            {"monitoring": {"receivers": {"me": {}}}},
            "receivers.me: needs exactly one of email, slack and webhook; add one, or keep one of them",
        ),
        (
            {"monitoring": {"receivers": {"me": {"email": EMAIL} | HOOK}}},
            "receivers.me: needs exactly one of email, slack and webhook; add one, or keep one of them",
        ),
        (
            {"monitoring": {"receivers": {"me": HOOK | {"severities": []}}}},
            "receivers.me.severities: is empty, so no alert is sent; add a severity, or remove it",
        ),
        (
            {"monitoring": {"receivers": {"me": {"email": EMAIL | {"to": []}}}}},
            "receivers.me.email.to: is empty; add an email address",
        ),
        (
            {"monitoring": {"receivers": {"me": {"email": EMAIL | {"username": "lab"}}}}},
            "receivers.me.email: needs both username and password, or neither; set both, or remove both",
        ),
    ],
)
def test_what_is_wrong_is_reported(platform: dict[str, Any], report: str) -> None:
    assert problems("monitoring", lab(**platform)) == [report]


@pytest.mark.parametrize(("beside", "given", "wrong"), [({}, {}, True), ({"longhorn": {}}, {}, False),
                                                        ({}, {"storageClass": "nfs"}, False)])  # fmt: skip
def test_volumes_need_a_class(beside: dict[str, Any], given: dict[str, Any], wrong: bool) -> None:
    found = lab(**beside, monitoring=given)
    k3s = found.cluster.k3s.model_copy(update={"disable": ("local-storage",)})
    without = LabContext(found.cluster.model_copy(update={"k3s": k3s}), found.layers)
    assert len(problems("monitoring", without)) == wrong
    assert not problems("monitoring", found)
