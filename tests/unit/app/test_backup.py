"""Backups of an app: the CronJob, its network, and the pods that restore and list backups."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.app import backup
from stacks.catalog import MARIADB_IMAGE, RESTIC_IMAGE
from tests.support.app_stacks import objects, outputs_without, run_fixture
from tests.support.envelopes import texts
from tests.support.recorder import Recording, canary
from tests.unit.app.test_network import allowed


@pytest.fixture(scope="module")
def blog() -> Recording:
    return run_fixture("blog")


def pod_of(recording: Recording, name: str) -> Any:
    return objects(recording)[f"CronJob/{name}-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_the_cron_job_reads_the_volumes_on_the_node_of_the_app(blog: Recording) -> None:
    pod = pod_of(blog, "blog")
    (container,) = pod["containers"]
    assert container["image"] == RESTIC_IMAGE
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert mounts["uploads"] == {"name": "uploads", "mountPath": "/backup/volumes/uploads", "readOnly": True}
    assert set(mounts) == {"uploads", "restic-cache", "mariadb-dump"}, "the NAS has its own backups"
    claims = [each["persistentVolumeClaim"] for each in pod["volumes"] if "persistentVolumeClaim" in each]
    assert claims == [{"claimName": "uploads-blog-0"}]
    (near,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "blog"}
    assert {each["name"]: each["value"] for each in container["env"]}["KEEP_DAILY"] == "14"


def test_a_dump_of_mariadb_is_part_of_the_backup(blog: Recording) -> None:
    pod = pod_of(blog, "blog")
    wait, dump = pod["initContainers"]
    assert (wait["name"], wait["image"]) == ("mariadb", MARIADB_IMAGE)
    assert (dump["name"], dump["image"]) == ("dump", MARIADB_IMAGE)
    assert "--single-transaction" in dump["command"][-1]
    without = pod_of(run_fixture("blog", mariadb=None, environment={}), "blog")
    assert "initContainers" not in without


def test_keys_are_only_in_the_secret(blog: Recording) -> None:
    content = objects(blog)["Secret/blog-backup"]["stringData"]
    assert content["RESTIC_REPOSITORY"] == "s3:https://s3.lan:9000/backups/lab/apps/blog"
    assert content["RESTIC_PASSWORD"] == canary("backupPassword")
    for each in blog.registered:
        assert not [text for text, hidden in texts(each.inputs) if content["RESTIC_PASSWORD"] in text and not hidden]


def test_only_the_pods_of_the_backup_reach_the_bucket(blog: Recording) -> None:
    reached = allowed(objects(blog)["NetworkPolicy/blog-backup"])
    assert [each for each in reached if each.endswith(" 9000")]
    assert not [each for each in reached if each.startswith("from ")]
    assert "9000" not in str(allowed(objects(blog)["NetworkPolicy/blog"]))


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
def test_a_backup_needs_a_bucket() -> None:
    with pytest.raises(pulumi.RunError, match=re.escape("homelab:app.backup: needs homelab:platform.objectStore")):
        run_fixture("blog", outputs=outputs_without("volumeBackup"))


def test_the_restore_can_write_and_does_not_need_the_app(blog: Recording) -> None:
    pod = backup.restore_pod(pod_of(blog, "blog"), "0123abcd")
    assert "affinity" not in pod
    *_, restic = pod["initContainers"]
    assert [each["name"] for each in pod["initContainers"]] == ["mariadb", "dump", "restic"]
    assert restic["command"][-2:] == ["0123abcd", "/backup"]
    assert not [each for each in restic["volumeMounts"] if each.get("readOnly")]
    (load,) = pod["containers"]
    assert load["name"] == "load"
    assert load["command"][-1].startswith("mariadb --no-defaults")
    small = pod_of(run_fixture("blog", mariadb=None, environment={}), "blog")
    (only,) = backup.restore_pod(small, "0123abcd")["containers"]
    assert only["command"][-2:] == ["0123abcd", "/backup"]
    assert small["containers"][0]["volumeMounts"][0]["readOnly"] is True, "the original stays"


def test_the_list_mounts_no_volume(blog: Recording) -> None:
    pod = backup.list_pod(pod_of(blog, "blog"))
    assert pod["volumes"] == [{"name": "restic-cache", "emptyDir": {}}]
    assert "initContainers" not in pod
    assert pod["containers"][0]["command"] == ["restic", "snapshots", "--no-lock"]


RESTIC = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$1 $2 $3" in
  "cat config "*) exit "$CONFIG" ;;
  "$FAILS"*) exit 3 ;;
esac
"""


def run_script(name: str, folder: Path, config: int = 0, fails: str = "none") -> tuple[int, list[str]]:
    """Run a script with a fake restic; return the exit code and the subcommands of restic."""
    calls = folder / "calls"
    (folder / "restic").write_text(RESTIC)
    (folder / "restic").chmod(0o755)
    variables = {"KEEP_DAILY": "7", "KEEP_WEEKLY": "4", "KEEP_MONTHLY": "6", "APP": "blog"}
    environment = {"CALLS": str(calls), "CONFIG": str(config), "FAILS": fails, "PATH": f"{folder}:{os.environ['PATH']}"}
    script = Path(backup.__file__).with_name(name).read_text()
    done = subprocess.run(
        ["sh", "-euc", script, "restic", "0123abcd", str(folder)],
        env=environment | variables,
        check=False,
        capture_output=True,
    )
    return done.returncode, [" ".join(line.split()[:2]) for line in calls.read_text().splitlines()]


@pytest.mark.parametrize(
    ("config", "code", "calls"),
    [
        (0, 0, ["cat config", "unlock", "backup --retry-lock", "forget --retry-lock"]),
        (10, 0, ["cat config", "init", "unlock", "backup --retry-lock", "forget --retry-lock"]),
        (1, 1, ["cat config"]),
    ],
)
def test_only_a_missing_repository_is_created(config: int, code: int, calls: list[str], tmp_path: Path) -> None:
    assert run_script("back_up.sh", tmp_path, config) == (code, calls)


def test_a_failed_backup_deletes_no_older_backup(tmp_path: Path) -> None:
    assert run_script("back_up.sh", tmp_path, fails="backup") == (3, ["cat config", "unlock", "backup --retry-lock"])


BEFORE_RESTORE = ["unlock", "cat snapshot", "backup --retry-lock"]


@pytest.mark.parametrize(("fails", "calls"), [("cat snapshot", BEFORE_RESTORE[:2]), ("backup", BEFORE_RESTORE)])
def test_nothing_is_restored_without_the_backup_before_it(fails: str, calls: list[str], tmp_path: Path) -> None:
    (tmp_path / "volumes/data").mkdir(parents=True)
    assert run_script("restore.sh", tmp_path, fails=fails) == (3, calls)


def test_a_volume_that_the_backup_does_not_contain_stays_unchanged(tmp_path: Path) -> None:
    for name in ("data", "new"):
        (tmp_path / "volumes" / name).mkdir(parents=True)
    missing = f"cat tree 0123abcd:{tmp_path}/volumes/new"
    code, calls = run_script("restore.sh", tmp_path, fails=missing)
    assert (code, calls) == (0, [*BEFORE_RESTORE, "cat tree", "restore --retry-lock", "cat tree"])
    restored = [line for line in (tmp_path / "calls").read_text().splitlines() if line.startswith("restore")]
    target = f"{tmp_path}/volumes/data"
    assert restored == [f"restore --retry-lock 5m 0123abcd:{target} --target {target} --exclude lost+found --delete"]
