"""`./homelab app backup` and `./homelab app restore`: Jobs, the stopped app, and failures."""

import json
from pathlib import Path
from typing import Any

import pytest

from operations.app import backups as command
from tests.support.app_commands import Shop, pod, workload

CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data-shop-0"}}
POD: dict[str, Any] = {
    "affinity": {"podAffinity": {}},
    "containers": [
        {
            "name": "restic", "command": ["sh"],
            "volumeMounts": [{"name": "data", "readOnly": True}, {"name": "restic-cache"}],
        }
    ],
    "volumes": [CLAIM, {"name": "restic-cache", "emptyDir": {}}],
}  # fmt: skip
SNAPSHOT = "0123abcd"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    found = Shop(tmp_path, monkeypatch)
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    found.change(
        volumes={"data": {"path": "/data", "size": "1Gi"}}, backup={"password": {"secret": "backupPassword"}},
        cron={"tidy": {"schedule": "0 3 * * *", "args": ["dump"]}},
    )  # fmt: skip
    text = found.file.read_text()
    found.file.write_text(f"{text}  homelab:backupPassword: {{secure: v1:x}}\n")
    return found


def cron_job(**metadata: Any) -> dict[str, Any]:
    spec = {"jobTemplate": {"spec": {"template": {"spec": POD}}}}
    return {"metadata": {"name": "shop-backup", **metadata}, "spec": spec}


def job_runs(shop: Shop, code: int = 0) -> None:
    ended: dict[str, Any] = {"state": {"terminated": {"exitCode": code}}}
    shop.kubectl.answer("create --filename=- --output=name", "job.batch/shop-x")
    shop.kubectl.answer_list("get pods --selector=job-name=shop-x *", pod("p", "restic", **ended))
    shop.kubectl.answer("delete job.batch/shop-x --cascade=background --wait=false")


def running(shop: Shop, *pods: Any) -> None:
    """The objects of a running app in the cluster, with the annotations that a restore writes."""
    stopped = {"homelab/restore-replicas": "1", "homelab/restore-suspended": "true"}
    for part in ("statefulset shop", "deployment shop-queue"):
        shop.kubectl.answer(f"get {part} *", workload("StatefulSet"), once=True)
        kept = workload("StatefulSet")
        kept["metadata"]["annotations"] = stopped
        shop.kubectl.answer(f"get {part} *", kept)
    for name in ("shop-backup", "shop-tidy"):
        if name == "shop-backup":
            shop.kubectl.answer("get cronjob shop-backup *", cron_job(), once=True)
        shop.kubectl.answer(f"get cronjob {name} *", cron_job(), once=True)
        shop.kubectl.answer(f"get cronjob {name} *", cron_job(annotations=stopped))
    shop.kubectl.answer("patch *")
    shop.kubectl.answer_list("get pods --output=json", *pods)


def patches(shop: Shop) -> list[tuple[str, Any]]:
    calls = [call.split(" ", 3) for call in shop.kubectl.calls if call.startswith("patch ")]
    return [(call[1], json.loads(call[3].removeprefix("--patch="))["spec"]) for call in calls]


def test_a_backup_runs_the_pod_of_the_cron_job(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop)
    assert shop.run("backup").exit_code == 0
    template = shop.kubectl.input["spec"]["template"]
    assert template["spec"] == POD
    assert template["metadata"]["labels"] == {"app.kubernetes.io/name": "shop-backup"}, "its NetworkPolicy applies"
    assert shop.kubectl.calls[-1].startswith("delete job.batch/shop-x")


def test_a_failed_backup_is_reported(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop, code=3)
    done = shop.run("backup")
    assert (done.exit_code, done.stderr) == (1, "The container restic of the Job shop-x failed with code 3.\n")


def test_without_a_snapshot_the_backups_are_listed(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop)
    done = shop.run("restore")
    assert done.exit_code == 0
    assert "./homelab app restore --stack shop --snapshot ID" in done.stderr + done.stdout
    assert shop.kubectl.input["spec"]["template"]["spec"]["containers"][0]["command"][:2] == ["restic", "snapshots"]
    assert not [call for call in shop.kubectl.calls if call.startswith("patch")]


def test_a_restore_stops_and_starts_the_app(shop: Shop) -> None:
    running(shop, pod("other", "other"))
    job_runs(shop)
    done = shop.run("restore", "--snapshot", SNAPSHOT, "--yes")
    assert done.exit_code == 0, done.stderr
    assert patches(shop) == [
        ("statefulset/shop", {"replicas": 0}), ("deployment/shop-queue", {"replicas": 0}),
        ("cronjob/shop-backup", {"suspend": True}), ("cronjob/shop-tidy", {"suspend": True}),
        ("cronjob/shop-backup", {"suspend": False}), ("cronjob/shop-tidy", {"suspend": False}),
        ("statefulset/shop", {"replicas": 1}), ("deployment/shop-queue", {"replicas": 1}),
    ]  # fmt: skip
    spec = shop.kubectl.input["spec"]["template"]["spec"]
    assert "affinity" not in spec
    assert spec["containers"][0]["command"][-2] == SNAPSHOT
    calls = [call.split()[0] for call in shop.kubectl.calls]
    assert [call for call in calls if call in ("create", "patch")][:2] == ["create", "patch"], "the backup exists"
    assert calls.count("create") == 2


def test_nothing_is_restored_while_a_pod_uses_the_volume(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "STOP_SECONDS", -1)
    user = pod("shop-0")
    user["spec"]["volumes"] = [CLAIM]
    running(shop, user)
    job_runs(shop)
    done = shop.run("restore", "--snapshot", SNAPSHOT, "--yes")
    assert done.exit_code == 1
    assert "these pods still use the volumes: shop-0 on pi-1. No data was changed.\nshop may be stopped" in done.stderr
    assert len([call for call in shop.kubectl.calls if call.startswith("create")]) == 1


def test_a_failed_restore_leaves_the_app_stopped(shop: Shop) -> None:
    running(shop)
    ended: dict[str, Any] = {"state": {"terminated": {"exitCode": 0}}}
    shop.kubectl.answer_list("get pods --selector=job-name=shop-x *", pod("p", "restic", **ended), once=True)
    job_runs(shop, code=1)
    done = shop.run("restore", "--snapshot", SNAPSHOT, "--yes")
    assert done.exit_code == 1
    assert "shop may be stopped, and its data may be incomplete. Run `./homelab app restore" in done.stderr
    assert {spec.get("replicas", 0) for _, spec in patches(shop)} == {0}


def test_a_restore_that_loses_the_api_says_how_to_continue(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop)
    shop.kubectl.answer("get statefulset shop *", err="connection refused", code=1)
    done = shop.run("restore", "--snapshot", SNAPSHOT, "--yes")
    assert done.exit_code == 1
    assert "connection refused" in done.stderr
    assert "Run `./homelab app restore --stack shop --snapshot ID` again" in done.stderr


def test_an_interrupted_restore_continues_with_the_first_number_of_replicas(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob *", cron_job(annotations={"homelab/restore-suspended": "true"}))
    stopped = workload("StatefulSet")
    stopped["metadata"]["annotations"] = {"homelab/restore-replicas": "2"}
    stopped["spec"]["replicas"] = 0
    shop.kubectl.answer("get statefulset shop *", stopped)
    shop.kubectl.answer("get deployment shop-queue *", stopped)
    shop.kubectl.answer("patch *")
    shop.kubectl.answer_list("get pods --output=json")
    job_runs(shop)
    assert shop.run("restore", "--snapshot", SNAPSHOT, "--yes").exit_code == 0
    assert ("statefulset/shop", {"replicas": 2}) in patches(shop)
    assert ("statefulset/shop", {"replicas": 0}) not in patches(shop)


@pytest.mark.parametrize("snapshot", ["latest", "0123", "0123abcd; rm"])
def test_only_ids_of_backups_are_accepted(shop: Shop, snapshot: str) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    done = shop.run("restore", "--snapshot", snapshot, "--yes")
    fix = "use an ID of `./homelab app restore`"
    assert done.stderr == f"--snapshot {snapshot}: is not the ID of a backup; {fix}\n"


def test_a_restore_asks_first(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop)
    done = shop.run("restore", "--snapshot", SNAPSHOT, answer="n\n")
    assert done.exit_code == 1
    assert not [call for call in shop.kubectl.calls if call.startswith("patch")]


def test_an_unknown_backup_stops_nothing(shop: Shop) -> None:
    shop.kubectl.answer("get cronjob shop-backup *", cron_job())
    job_runs(shop, code=1)
    done = shop.run("restore", "--snapshot", SNAPSHOT, "--yes")
    assert done.stderr == "The container restic of the Job shop-x failed with code 1.\n"
    command = shop.kubectl.input["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command == ["restic", "cat", "snapshot", SNAPSHOT, "--no-lock"]
    assert not [call for call in shop.kubectl.calls if call.startswith("patch")]


def test_an_app_without_backup(shop: Shop) -> None:
    shop.change()
    for name in ("backup", "restore"):
        assert shop.run(name).stderr == "App shop has no backup: its stack file does not set backup.\n"
    shop.change(volumes={"data": {"path": "/data", "size": "1Gi"}}, backup={"password": {"secret": "p"}}, cron=None)
    shop.file.write_text(f"{shop.file.read_text()}  homelab:p: {{secure: v1:x}}\n")
    shop.kubectl.answer("get cronjob shop-backup *", "")
    assert shop.run("backup").stderr == "CronJob shop-backup does not exist: run `pulumi up --stack shop`.\n"
