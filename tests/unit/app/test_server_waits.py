"""Jobs of an app wait until its database servers accept connections from their pods."""

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.app import server_waits
from stacks.catalog import VALKEY_IMAGE
from tests.support.app_stacks import created, run_fixture
from tests.support.recorder import DATABASE_IMAGE

MIGRATE: dict[str, Any] = {"command": ["/bin/migrate"]}
CRON: dict[str, Any] = {"backup": {"schedule": "0 3 * * *", "command": ["/bin/backup"]}}


def job_pods(**changes: Any) -> list[Any]:
    """Return the pod specs of the Job `before` and of the CronJob."""
    made = [
        each.plain
        for each in created(
            run_fixture("shop-dev", before=MIGRATE, cron=CRON, **{"postgres": {"size": "1Gi"}, **changes})
        )
    ]
    jobs = [each["spec"] for each in made if each["kind"] == "Job"]
    jobs += [each["spec"]["jobTemplate"]["spec"] for each in made if each["kind"] == "CronJob"]
    assert len(jobs) == 2
    return [each["template"]["spec"] for each in jobs]


def test_jobs_wait_for_the_database_with_its_own_image() -> None:
    for pod in job_pods():
        (init,) = pod["initContainers"]
        assert (init["name"], init["image"]) == ("database", DATABASE_IMAGE)
        assert init["env"] == [{"name": "WAIT_HOST", "value": "shop-dev-db-rw"}]
        assert "until pg_isready --host=$WAIT_HOST --port=5432 --username=app " in init["command"][-1]


def test_the_image_of_the_settings_is_used() -> None:
    image = "registry.example.com/postgresql:17.2"
    for pod in job_pods(postgres={"size": "1Gi", "image": image}):
        assert pod["initContainers"][0]["image"] == image


def test_jobs_without_a_database_wait_for_nothing() -> None:
    for pod in job_pods(postgres=None):
        assert "initContainers" not in pod


def test_a_cluster_without_an_image_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    with pytest.raises(
        pulumi.RunError, match=r"^CloudNativePG's webhook has not set spec\.imageName in the Cluster of"
    ):
        server_waits._image_name({})
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    assert server_waits._image_name({}) == "image-of-the-database"


def test_jobs_wait_for_valkey_with_its_own_image() -> None:
    for pod in job_pods(valkey={"image": "registry.lan/valkey:9.0.0"}):
        database, cache = pod["initContainers"]
        assert (database["name"], cache["name"]) == ("database", "valkey")
        assert cache["image"] == "registry.lan/valkey:9.0.0"
        assert cache["env"] == [{"name": "WAIT_HOST", "value": "shop-dev-valkey"}]
    for pod in job_pods(postgres=None, valkey={}):
        assert [(each["name"], each["image"]) for each in pod["initContainers"]] == [("valkey", VALKEY_IMAGE)]


@pytest.mark.parametrize(("failures", "code"), [(0, 0), (3, 0), (server_waits.ATTEMPTS, 1)])
@pytest.mark.parametrize(
    ("program", "servers"),
    [
        ("pg_isready", {}),
        ("valkey-cli", {"postgres": None, "valkey": {}}),
        ("mariadb-admin", {"postgres": None, "mariadb": {"size": "1Gi"}}),
    ],
)
def test_the_script_waits_for_a_limited_time(
    tmp_path: Path, failures: int, code: int, program: str, servers: Any
) -> None:
    count = tmp_path / "count"
    programs = {
        program: f'echo >> {count}; [ "$(wc -l < {count})" -gt {failures} ]',
        "sleep": "exit 0",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (pod, _) = job_pods(**servers)
    done = subprocess.run(
        pod["initContainers"][0]["command"], capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "WAIT_HOST": "server"},
    )  # fmt: skip
    assert done.returncode == code
    assert len(count.read_text().splitlines()) == min(failures + 1, server_waits.ATTEMPTS)
    expected = "The server server accepted no connection in 60 attempts.\n" if code else ""
    assert done.stderr == expected
