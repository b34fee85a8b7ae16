"""Scripts that let ExternalDNS work and take its records away; `k3s` answers what a test says."""

import json
from pathlib import Path

import pytest

from tests.support.kubectl_scripts import run

SPEC = {
    "containers": [{"name": "external-dns", "args": ["--source=ingress", "--policy=sync", "--registry=txt"]}],
    "restartPolicy": "Always",
}
ANSWER = f"""
case $* in
  *'get deployment'*) [ -e gone ] || printf %s '{json.dumps(SPEC, separators=(",", ":"))}' ;;
  *'create -f -'*) cat >job ;;
  *'get job'*'"{{}}"'*) [ -e ended ] && printf True ;;
  *logs*) echo 'level=fatal msg="zone refused"' ;;
esac
"""


def answer(condition: str) -> str:
    return ANSWER.replace("{}", condition)


def test_records_go_by_one_more_run_that_sees_nothing(calls_file: Path) -> None:
    (calls_file.parent / "ended").touch()
    done = run("external-dns/delete-records", calls_file, answer("Complete"), NAMESPACE="dns", SYNC="yes")
    assert (done.status, done.errors) == (0, "==> deleting this cluster's DNS records\n")
    job = json.loads((calls_file.parent / "job").read_text())
    spec = job["spec"]["template"]["spec"]
    assert job["metadata"] == {"name": "withdraw", "namespace": "dns"}
    assert spec["restartPolicy"] == "Never"
    assert spec["containers"][0]["args"] == [
        "--source=ingress", "--policy=sync", "--once", "--label-filter=homelab=no-object", "--registry=txt",
    ]  # fmt: skip
    stopped = done.calls.index("--request-timeout=15s scale deployment external-dns -n dns --replicas=0")
    waited = next(at for at, call in enumerate(done.calls) if "--for=delete" in call)
    made = next(at for at, call in enumerate(done.calls) if "create" in call)
    assert stopped < waited < made, "two controllers would write against each other"
    assert not any("--replicas=1" in call for call in done.calls)


def test_records_that_cannot_be_removed_keep_the_layer_and_its_controller(calls_file: Path) -> None:
    (calls_file.parent / "ended").touch()
    done = run("external-dns/delete-records", calls_file, answer("Failed"), NAMESPACE="dns", SYNC="yes")
    assert done.status == 1
    assert 'The records in DNS were not removed:\nlevel=fatal msg="zone refused"\n' in done.errors
    assert done.calls[-1] == "--request-timeout=15s scale deployment external-dns -n dns --replicas=1"


@pytest.mark.parametrize(("sync", "calls"), [("no", 0), ("yes", 1)])
def test_records_stay_without_sync_and_a_controller_that_is_gone_removes_none(
    calls_file: Path, sync: str, calls: int
) -> None:
    (calls_file.parent / "gone").touch()
    done = run("external-dns/delete-records", calls_file, answer("Complete"), NAMESPACE="dns", SYNC=sync)
    assert (done.status, len(done.calls)) == (0, calls)


def test_controller_works_again_after_a_destroy_that_was_broken_off(calls_file: Path) -> None:
    done = run("external-dns/start", calls_file, "", NAMESPACE="dns")
    assert (done.status, done.calls) == (
        0,
        ["--request-timeout=15s scale deployment external-dns -n dns --replicas=1"],
    )
    assert (
        "could not be scaled:\nNotFound"
        in run("external-dns/start", calls_file, "echo NotFound; return 1", NAMESPACE="d").errors
    )
