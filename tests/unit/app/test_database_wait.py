"""Jobs of an app wait until the database accepts connections from their pods."""

import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components.app import database_wait
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
        assert "PGPASSWORD" not in {each["name"] for each in init["env"]}
        (container,) = pod["containers"]
        values = {each["name"]: each.get("value") for each in container["env"]}
        connection = {each["name"]: each["value"] for each in init["env"]}
        assert {name: connection[name] for name in ("PGHOST", "PGPORT")} == {
            name: values[name] for name in ("PGHOST", "PGPORT")
        }


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
        pulumi.RunError, match=r"^the Cluster of the app's database has no spec\.imageName, which Cloud"
    ):
        database_wait._image_name({})
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    assert database_wait._image_name({}) == "image-of-the-database"


@pytest.mark.parametrize(("failures", "code"), [(0, 0), (3, 0), (database_wait.ATTEMPTS, 1)])
def test_the_script_waits_for_a_limited_time(tmp_path: Path, failures: int, code: int) -> None:
    count = tmp_path / "count"
    programs = {
        "pg_isready": f'echo >> {count}; [ "$(wc -l < {count})" -gt {failures} ]',
        "sleep": "exit 0",
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    (pod, _) = job_pods()
    done = subprocess.run(
        pod["initContainers"][0]["command"], capture_output=True, text=True, check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PGHOST": "shop-db-rw"},
    )  # fmt: skip
    assert done.returncode == code
    assert len(count.read_text().splitlines()) == min(failures + 1, database_wait.ATTEMPTS)
    expected = "The database shop-db-rw accepted no connection in 60 attempts.\n" if code else ""
    assert done.stderr == expected
