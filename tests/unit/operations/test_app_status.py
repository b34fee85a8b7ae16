"""`./homelab app status`: what is healthy, and the reason of what is not."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.app_commands import APP, Shop, owned, pod, workload

DONE = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": "2026-11-29T03:00:09Z"}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}]}
CLUSTER = {
    "kind": "Cluster", "metadata": {"name": "shop-db"}, "spec": {"instances": 3},
    "status": {"readyInstances": 3, "currentPrimary": "shop-db-1", "phase": "Cluster in healthy state"},
}  # fmt: skip
INGRESS = {"kind": "Ingress", "metadata": {"name": "shop"}, "spec": {"rules": [{"host": "shop.lab.example.com"}]}}
CRON = {"kind": "CronJob", "metadata": {"name": "shop-backup"}, "spec": {"schedule": "0 3 * * *"}}


def certificate(ready: str, message: str = "") -> dict[str, Any]:
    status = {
        "conditions": [{"type": "Ready", "status": ready, "message": message}],
        "notAfter": "2027-02-27T10:00:00Z",
    }
    return {"kind": "Certificate", "metadata": {"name": "shop-tls"}, "status": status}


def before(status: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Job", "metadata": {"name": "shop-before-1a2b", "creationTimestamp": "2026"}, "status": status}


def queue(**more: Any) -> dict[str, Any]:
    return workload(name="shop-queue", **more)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


def lines(shop: Shop, *items: Any, code: int) -> list[str]:
    shop.kubectl.answer_list("get *", *items, once=True)
    done = shop.run("status")
    assert done.exit_code == code, done.output
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_an_app_that_is_healthy(shop: Shop) -> None:
    jobs = [
        before(DONE), CRON, owned("Job", "shop-backup-1", "shop-backup", status=FAILED),
        owned("Job", "shop-backup-2", "shop-backup", status=DONE),
    ]  # fmt: skip
    ended = pod("shop-backup-2-x", ready=False)
    ended["status"]["phase"] = "Succeeded"
    pods = [pod(restartCount=4), ended]
    assert lines(shop, workload(), queue(), *jobs, INGRESS, certificate("True"), CLUSTER, *pods, code=0) == [
        f"Deployment shop: 3 of 3 pods ready, image {APP['image']}",
        f"Deployment shop-queue: 3 of 3 pods ready, image {APP['image']}",
        "Job shop-before-1a2b: succeeded at 2026-11-29T03:00:09Z",
        "CronJob shop-backup (0 3 * * *), last Job: succeeded at 2026-11-29T03:00:09Z",
        "https://shop.lab.example.com",
        "Certificate shop-tls: valid until 2027-02-27T10:00:00Z",
        "Database shop-db: 3 of 3 instances ready, primary shop-db-1, Cluster in healthy state",
        "",
        "pod state restarts node",
        "shop-1 ready 4 pi-1",
    ]
    kinds = "deployments,statefulsets,pods,jobs,cronjobs,ingresses,certificates.cert-manager.io,"
    assert shop.kubectl.calls == [f"get {kinds}clusters.postgresql.cnpg.io --output=json"]


def test_what_is_not_healthy_is_told_with_its_reason(shop: Shop) -> None:
    pulling = pod("shop-2", ready=False, state={"waiting": {"reason": "ErrImagePull", "message": "no such tag"}})
    pending = pod("shop-3", ready=False)
    pending["spec"].pop("nodeName")
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}
    pending["status"] = {"phase": "Pending", "conditions": [unscheduled]}
    leaving = pod("shop-4")
    leaving["metadata"]["deletionTimestamp"] = "2026"
    behind = queue()
    behind["status"]["updatedReplicas"] = 1
    broken = {**CLUSTER, "status": {"readyInstances": 1, "phase": "Failing over"}}
    items = (workload(ready=1), behind, before(FAILED), CRON, certificate("False", "no DNS record"), broken)
    assert lines(shop, *items, pulling, pending, leaving, code=1) == [
        f"Deployment shop: 1 of 3 pods ready, image {APP['image']}",
        f"Deployment shop-queue: 3 of 3 pods ready, image {APP['image']}, 1 of the current version",
        "Job shop-before-1a2b: failed, BackoffLimitExceeded",
        "CronJob shop-backup (0 3 * * *): has not run yet",
        "Certificate shop-tls: not ready, no DNS record; `./homelab doctor` shows the reason",
        "Database shop-db: 1 of 3 instances ready, no primary, Failing over",
        "",
        "pod state restarts node",
        "shop-2 not ready: shop: ErrImagePull no such tag 0 pi-1",
        "shop-3 not ready: 0/3 nodes are available 0 none",
        "shop-4 terminating 0 pi-1",
    ]


def test_what_is_not_there(shop: Shop) -> None:
    assert lines(shop, before({}), code=1) == [
        "Deployment shop: does not exist; run `pulumi up --stack shop`",
        "Deployment shop-queue: does not exist; run `pulumi up --stack shop`",
        "Job shop-before-1a2b: running since 2026",
        "Certificate shop-tls: not ready, cert-manager has not issued it; `./homelab doctor` shows the reason",
        "Database shop-db: does not exist",
    ]


def test_a_small_app_and_a_rollout_that_is_paused(shop: Shop) -> None:
    shop.change(**dict.fromkeys(("hosts", "before", "cron", "workers", "postgres")), strategy={"blueGreen": {}})
    rollout = workload("Rollout")
    rollout["status"] |= {"phase": "Degraded", "message": "analysis failed"}
    assert lines(shop, rollout, code=1) == [
        f"Rollout shop: 3 of 3 pods ready, image {APP['image']}, Degraded: analysis failed"
    ]
    assert lines(shop, workload("Rollout"), code=0) == [f"Rollout shop: 3 of 3 pods ready, image {APP['image']}"]
    assert shop.kubectl.calls[-1].split()[1] == "deployments,statefulsets,pods,jobs,cronjobs,rollouts.argoproj.io"


def test_each_ingress_has_its_hosts_and_certificate(shop: Shop) -> None:
    shop.change(
        **dict.fromkeys(("before", "cron", "workers", "postgres")), hosts=["shop.example.com", "*.example.com", "*"],
        tls={"issuers": {"shop.example.com": "public"}},
    )  # fmt: skip
    ingresses = [
        {"kind": "Ingress", "metadata": {"name": name}, "spec": {"rules": [rule]}}
        for name, rule in (
            ("shop-tls-public", {"host": "shop.example.com"}),
            ("shop-wildcard", {"host": "*.example.com"}),
            ("shop-default", {"http": {}}),
        )
    ]
    certificates = [
        {**certificate("True"), "metadata": {"name": name}} for name in ("shop-tls-public-tls", "shop-wildcard-tls")
    ]
    assert lines(shop, workload(), *ingresses, *certificates, code=0)[1:] == [
        "https://shop.example.com",
        "Certificate shop-tls-public-tls: valid until 2027-02-27T10:00:00Z",
        "https://*.example.com",
        "Certificate shop-wildcard-tls: valid until 2027-02-27T10:00:00Z",
        "https://*",
    ]
    shop.change(**dict.fromkeys(("before", "cron", "workers", "postgres")), hosts=["*"])
    assert lines(shop, workload(), ingresses[-1], code=0)[1:] == ["https://*"], "no certificate can name all hosts"
