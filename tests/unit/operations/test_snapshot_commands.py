"""`./homelab snapshot` and `./homelab restore` as a user meets them, without machines."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
from operations import task_state
from operations.pulumi_stack import Stack, StackError
from operations.restore_runner import Plan
from operations.snapshot_catalog import Server, SnapshotInventory
from tests.support.restores import DAY, NOW, ON_DEMAND, SCHEDULED, SERVERS, TASKS, report

LOST = SnapshotInventory(
    tuple(Server(name, None, cause=f"{name} does not answer") for name in SERVERS), (), ("b does not answer",)
)


def run(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(words), input=answer, env={"COLUMNS": "120"})


def test_snapshots_are_listed_the_newest_first(fake_servers: dict[str, Any]) -> None:
    done = run("snapshot", "--list")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert lines == [
        ["snapshot", "age", "size", "on"],
        [ON_DEMAND.name, "2", "d", "3.0", "MiB", "a,", "S3"],
        [SCHEDULED.name, "3", "d", "2.5", "MiB", "b"],
    ]
    (new, old) = json.loads(run("snapshot", "--list", "--json").stdout)
    assert new == {"name": ON_DEMAND.name, "taken": NOW - DAY * 5 // 2, "bytes": 3 << 20, "servers": ["a"], "s3": True}
    assert (old["servers"], old["s3"]) == (["b"], False)
    assert "taken" not in fake_servers


def test_no_snapshots_and_no_servers(fake_servers: dict[str, Any]) -> None:
    fake_servers["found"] = report(stored=())
    assert (run("snapshot", "--list").exit_code, run("snapshot", "--list").stdout) == (0, "There are no snapshots.\n")
    assert json.loads(run("snapshot", "--list", "--json").stdout) == []
    fake_servers["found"] = LOST
    done = run("snapshot", "--list")
    assert (done.exit_code, done.stderr) == (1, "b does not answer\n")


def test_a_snapshot_is_taken_where_the_api_answers(fake_servers: dict[str, Any], tmp_path: Path) -> None:
    done = run("snapshot", "--name", "mine", "--save", str(tmp_path / "kept"), "--json")
    assert done.exit_code == 0
    assert fake_servers["taken"] == ("a", "mine")
    assert fake_servers["source"] == ("a", f"/var/lib/rancher/k3s/server/db/snapshots/{ON_DEMAND.name}")
    (copy,) = (tmp_path / "kept").iterdir()
    assert (copy.name, copy.stat().st_mode & 0o777, fake_servers["mode"], copy.read_bytes()) == (
        ON_DEMAND.name,
        0o600,
        0o600,
        b"etcd",
    )
    assert [each["name"] for each in json.loads(done.stdout)] == [ON_DEMAND.name]
    assert "taking a snapshot" in done.stderr


def test_a_snapshot_of_nothing_is_refused(fake_servers: dict[str, Any]) -> None:
    fake_servers["found"] = report("c")
    done = run("snapshot")
    assert done.exit_code == 1
    assert "no server has a ready Kubernetes API" in done.stderr
    assert "b: K3s is inactive" in done.stderr
    assert run("snapshot", "--name", "two words").exit_code == 2


def test_a_restore_says_what_it_will_do_and_asks(fake_servers: dict[str, Any]) -> None:
    done = run("restore", answer="n\n")
    assert done.exit_code == 1
    assert "plan" not in fake_servers
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stderr.splitlines() if line.strip()}
    assert rows["a"] == "serving restored from the snapshot"
    assert rows["b"] == "inactive etcd data is deleted; joins"
    assert rows["c"] == "does not answer skipped: wipe it before it starts again"
    assert f"{ON_DEMAND.name}, 2 d old, 3.0 MiB, from a" in done.stderr
    assert run("restore", answer="").exit_code == 1
    assert "plan" not in fake_servers
    assert run("restore", answer="y\n").exit_code == 0
    assert fake_servers["plan"].snapshot == ON_DEMAND


def test_a_restore_says_what_came_of_it(fake_servers: dict[str, Any]) -> None:
    done = run("restore", SCHEDULED.name, "--yes")
    assert done.exit_code == 0
    assert f"The cluster is restored from {SCHEDULED.name}. Servers: b, a." in done.stdout
    assert "Skipped: c, e." in done.stdout
    told = json.loads(run("restore", "--from-s3", "--yes", "--json").stdout)
    assert (told["restored"], told["rejoined"], told["leftOut"]) == ("a", ["b"], ["c", "e"])
    assert fake_servers["plan"].from_s3


def test_a_failure_is_said_and_ends_with_one(fake_servers: dict[str, Any]) -> None:
    fake_servers["fails"] = "a (10.0.0.11): etcd/restore-snapshot.sh failed"
    done = run("restore", "--yes")
    assert (done.exit_code, "a (10.0.0.11): etcd/restore-snapshot.sh failed" in done.stderr) == (1, True)
    done = run("restore", "on-demand", "--yes")
    assert (done.exit_code, f"did you mean {ON_DEMAND.name}?" in done.stderr) == (1, True)


def test_a_file_of_this_computer_and_a_token(fake_servers: dict[str, Any], tmp_path: Path) -> None:
    file, token = tmp_path / "mine-1700000000", tmp_path / "token"
    file.write_bytes(b"etcd")
    token.write_text("K10abc::server:s3cret\n")
    done = run("restore", "--file", str(file), "--token-file", str(token), "--yes")
    assert done.exit_code == 0
    plan: Plan = fake_servers["plan"]
    assert (plan.file, plan.first, plan.token, plan.snapshot.taken_at) == (file, "a", "s3cret", 1_700_000_000)
    assert "s3cret" not in done.output + repr(plan)
    assert run("restore", SCHEDULED.name, "--file", str(file)).exit_code == 2
    absent = run("restore", "--file", str(tmp_path / "absent"))
    assert (absent.exit_code, f"no file {tmp_path / 'absent'} on" in absent.stderr) == (1, True)
    spaced = tmp_path / "my snapshot"
    spaced.write_bytes(b"etcd")
    assert "is not a valid snapshot name" in run("restore", "--file", str(spaced), "--yes").stderr


def test_what_pulumi_keeps_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    roll = TASKS["a-roll"]
    inputs = json.loads(roll.model_dump_json(by_alias=True, exclude_none=True, exclude={"secrets"}))
    inputs["secrets"] = mark | {"plaintext": json.dumps(dict(roll.secrets))}
    kept = [
        {
            "type": "homelab:index:Task",
            "urn": "urn:pulumi:lab::homelab::x$homelab:index:Task::a-roll",
            "inputs": inputs,
        },
        {"type": "homelab:index:Secret", "urn": "urn:pulumi:lab::homelab::x::cluster-token", "inputs": {}},
    ]
    monkeypatch.setattr(Stack, "resources", lambda _: kept)
    assert task_state.tasks(Stack("lab")) == {"a-roll": roll}
    inputs["novelty"] = 1
    with pytest.raises(StackError, match="Pulumi's state of stack lab has the task a-roll of another homelab version"):
        task_state.tasks(Stack("lab"))


def test_an_empty_state_restores_nothing(fake_servers: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_state, "tasks", lambda _: {})
    done = run("restore", "--yes")
    assert (done.exit_code, "lacks the tasks of a, b, c, d, e" in done.stderr) == (1, True)
    assert "plan" not in fake_servers
