"""The `./homelab app` commands on an app with a worker and real Postgres; the app's image is podinfo."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.drills.stack_files import write_stack_file
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse

pytestmark = pytest.mark.drill

APP: dict[str, Any] = {
    "platform": "commands",
    "image": "ghcr.io/stefanprodan/podinfo:6.9.2",
    "port": 9898,
    "replicas": 2,
    "workers": {"queue": {"environment": {"ROLE": "queue"}}},
    "postgres": {"size": "1Gi", "instances": 1, "memory": "256Mi"},
    "discard": True,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    folder = tmp_path_factory.mktemp("commands")
    document = stack_document(1, 2)
    document["config"]["homelab:platform"] = {"certManager": {}, "longhorn": {}, "cloudnativePg": {}}
    file = folder / "Pulumi.shop.yaml"
    write_stack_file(file, app=APP)
    with rehearse("commands", document, folder, [file]) as found:
        found.up()
        found.up(engine=found.app_engine("shop"))
        yield found


def change(lab: RehearsedLab, **changes: Any) -> None:
    """Change the app's stack file, and deploy the change."""
    write_stack_file(lab.apps[0], app=APP | changes)
    lab.reopen()
    lab.up(engine=lab.app_engine("shop"))


def app(lab: RehearsedLab, *words: str, code: int = 0) -> str:
    """Run `./homelab app` with these words on the app's stack."""
    return lab.homelab("app", *words, code=code, engine=lab.app_engine("shop"))


def deployment(lab: RehearsedLab, name: str = "shop") -> Any:
    return json.loads(lab.kubectl("get", "deployment", "-n", "shop", name, "-o", "json"))


def greeting(lab: RehearsedLab) -> Any:
    (container,) = deployment(lab)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value") for each in container["env"]}.get("GREETING")


def restarts(lab: RehearsedLab) -> Any:
    return deployment(lab)["spec"]["template"]["metadata"].get("annotations", {})


def test_status_of_a_healthy_app(lab: RehearsedLab) -> None:
    said = app(lab, "status")
    assert "Deployment shop: 2 of 2 pods ready, image ghcr.io/stefanprodan/podinfo:6.9.2\n" in said
    assert "Deployment shop-queue: 1 of 1 pods ready" in said
    assert "Database shop-db: 1 of 1 instances ready, primary shop-db-1" in said


def test_no_service_leads_to_the_worker(lab: RehearsedLab) -> None:
    slices = json.loads(lab.kubectl("get", "endpointslices", "-n", "shop", "-o", "json"))["items"]
    named = {each["targetRef"]["name"] for item in slices for each in item["endpoints"] or () if "targetRef" in each}
    assert not [name for name in named if name.startswith("shop-queue")]
    assert len([name for name in named if not name.startswith("shop-db")]) == 2


def test_logs_of_the_app_and_of_the_worker(lab: RehearsedLab) -> None:
    assert "9898" in app(lab, "logs")
    assert "9898" in app(lab, "logs", "queue")
    assert "No container shop of Deployment shop has restarted" in app(lab, "logs", "--previous", code=1)


def test_psql_acts_as_the_owner_of_the_database(lab: RehearsedLab) -> None:
    assert app(lab, "db", "--", "-tAc", "SELECT current_user").split() == ["app"]
    app(lab, "db", "--", "-c", "CREATE TABLE notes (id int)")
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'notes'"
    assert app(lab, "db", "--superuser", "--", "-tAc", owner).split() == ["app"]


def test_a_restart_is_no_drift_and_survives_the_next_change(lab: RehearsedLab, record: Recorder) -> None:
    with timed(record, "`./homelab app restart` of an app with two pods"):
        app(lab, "restart")
    first = restarts(lab)
    assert first
    assert " unchanged\n" in lab.up("--refresh", "--expect-no-changes", engine=lab.app_engine("shop"))
    change(lab, replicas=3)
    assert restarts(lab) == first, "the change of replicas did not restart the pods"


def test_a_rollback_lasts_until_a_refresh(lab: RehearsedLab, record: Recorder) -> None:
    change(lab, environment={"GREETING": "new"})
    assert greeting(lab) == "new"
    with timed(record, "`./homelab app rollback` of an app with two pods"):
        said = app(lab, "rollback")
    assert "the same image" in said
    assert greeting(lab) is None
    lab.up(engine=lab.app_engine("shop"))
    assert greeting(lab) is None, "without --refresh, Pulumi does not read the cluster"
    lab.up("--refresh", engine=lab.app_engine("shop"))
    assert greeting(lab) == "new"


def test_a_command_runs_in_a_job_that_is_deleted(lab: RehearsedLab) -> None:
    jobs = ("get", "jobs", "-n", "shop", "-o", "name")
    before = lab.kubectl(*jobs)
    assert "6.9.2" in app(lab, "run", "--", "/podinfo", "--version")
    app(lab, "run", "--", "/podinfo", "--nonsense", code=2)
    assert lab.kubectl(*jobs) == before


def test_an_image_without_a_shell_runs_its_own_program(lab: RehearsedLab) -> None:
    assert "The image of container shop has no shell." in app(lab, "shell", code=1)
    assert "6.9.2" in app(lab, "shell", "--worker", "queue", "--", "/podinfo", "--version")


def test_app_stacks_run_commands_in_namespaces_of_apps_only(lab: RehearsedLab, tmp_path: Path) -> None:
    file = tmp_path / "apps"
    file.write_text(str(lab.session.engine.outputs()["appKubeconfig"]))
    for namespace, allowed in (("shop", "yes"), ("kube-system", "no"), ("cnpg-system", "no")):
        for verb, subresource in (("create", "exec"), ("get", "log")):
            request = (verb, "pods", f"--subresource={subresource}", "-n", namespace)
            said = lab.kubectl_as(file, "auth", "can-i", *request)
            assert said.split()[-1] == allowed, request
