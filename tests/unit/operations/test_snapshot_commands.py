"""`./homelab snapshot` and `./homelab restore` as a user meets them, without machines."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
from operations import snapshot_catalog, task_state
from operations.cluster_access import ClusterAccess
from operations.pulumi_stack import Stack, StackError
from operations.restore_runner import Plan, RestoreResult, RestoreRunner
from operations.snapshot_catalog import S3, Server, Snapshot, SnapshotInventory
from provider.errors import TaskError
from tests.unit.operations.test_restore_runner import GIVEN, SERVERS, found, site

NOW = int(time.time())
DAY = 86400
NEW = Snapshot(f"on-demand-a-{NOW - DAY * 5 // 2}", NOW - DAY * 5 // 2, 3 << 20, ("a", S3))
OLD = Snapshot(f"etcd-snapshot-b-{NOW - DAY * 7 // 2}", NOW - DAY * 7 // 2, 5 << 19, ("b",))
LOST = SnapshotInventory(
    tuple(Server(name, None, cause=f"{name} does not answer") for name in SERVERS), (), ("b does not answer",)
)


def run(*words: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(cli.app, list(words), input=answer, env={"COLUMNS": "120"})


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the servers say (`found`, to be changed), and what was done: `plan` and `taken`."""
    seen: dict[str, Any] = {"found": found("c", serving="a", stored=(NEW, OLD))}

    async def look(_: ClusterAccess) -> SnapshotInventory:
        answer: SnapshotInventory = seen["found"]
        return answer

    async def take(_: ClusterAccess, server: str, label: str, say: Any) -> str:
        seen["taken"] = (server, label)
        say("a: taking a snapshot")
        return NEW.name

    async def restore(self: RestoreRunner) -> RestoreResult:
        seen["plan"] = self._plan
        if "fails" in seen:
            raise TaskError(seen["fails"])
        return RestoreResult(self._plan, ("e",))

    async def get(_: Any, machine: Any, source: str, target: Path) -> None:
        seen["source"] = (machine.name, source)
        seen["mode"] = target.stat().st_mode & 0o777
        target.write_bytes(seen.get("arrives", b"etcd"))
        if "lost" in seen:
            raise TaskError(seen["lost"])

    async def checksum(_: Any, machine: Any, script: str, progress: Any) -> tuple[int, str, list[str]]:
        assert (machine.name, seen["source"][1] in script) == (seen["source"][0], True)
        return 0, f"{hashlib.sha256(b'etcd').hexdigest()}  -\n", []

    monkeypatch.setattr(ClusterAccess, "of", lambda _: site())
    monkeypatch.setattr(task_state, "tasks", lambda _: GIVEN)
    monkeypatch.setattr(snapshot_catalog, "list_snapshots", look)
    monkeypatch.setattr(snapshot_catalog, "take_snapshot", take)
    monkeypatch.setattr(RestoreRunner, "run", restore)
    monkeypatch.setattr("provider.ssh.connections.Connections.download", get)
    monkeypatch.setattr("provider.ssh.connections.Connections.run", checksum)
    return seen


def test_snapshots_are_listed_the_newest_first(seen: dict[str, Any]) -> None:
    done = run("snapshot", "--list")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert lines == [
        ["snapshot", "age", "size", "on"],
        [NEW.name, "2", "d", "3.0", "MiB", "a,", "S3"],
        [OLD.name, "3", "d", "2.5", "MiB", "b"],
    ]
    (new, old) = json.loads(run("snapshot", "--list", "--json").stdout)
    assert new == {"name": NEW.name, "taken": NOW - DAY * 5 // 2, "bytes": 3 << 20, "servers": ["a"], "s3": True}
    assert (old["servers"], old["s3"]) == (["b"], False)
    assert "taken" not in seen


def test_no_snapshots_and_no_servers(seen: dict[str, Any]) -> None:
    seen["found"] = found(stored=())
    assert (run("snapshot", "--list").exit_code, run("snapshot", "--list").stdout) == (0, "There are no snapshots.\n")
    assert json.loads(run("snapshot", "--list", "--json").stdout) == []
    seen["found"] = LOST
    done = run("snapshot", "--list")
    assert (done.exit_code, done.stderr) == (1, "b does not answer\n")


def test_a_snapshot_is_taken_where_the_api_answers(seen: dict[str, Any], tmp_path: Path) -> None:
    done = run("snapshot", "--name", "mine", "--save", str(tmp_path / "kept"), "--json")
    assert done.exit_code == 0
    assert seen["taken"] == ("a", "mine")
    assert seen["source"] == ("a", f"/var/lib/rancher/k3s/server/db/snapshots/{NEW.name}")
    (copy,) = (tmp_path / "kept").iterdir()
    assert (copy.name, copy.stat().st_mode & 0o777, seen["mode"], copy.read_bytes()) == (
        NEW.name,
        0o600,
        0o600,
        b"etcd",
    )
    assert [each["name"] for each in json.loads(done.stdout)] == [NEW.name]
    assert "taking a snapshot" in done.stderr


def test_a_snapshot_of_nothing_is_refused(seen: dict[str, Any]) -> None:
    seen["found"] = found("c")
    done = run("snapshot")
    assert done.exit_code == 1
    assert "No server has a ready API" in done.stderr
    assert "b: K3s is inactive" in done.stderr
    assert run("snapshot", "--name", "two words").exit_code == 2


def test_a_restore_says_what_it_will_do_and_asks(seen: dict[str, Any]) -> None:
    done = run("restore", answer="n\n")
    assert done.exit_code == 1
    assert "plan" not in seen
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in done.stderr.splitlines() if line.strip()}
    assert rows["a"] == "serving restored from the snapshot"
    assert rows["b"] == "inactive etcd data is deleted; joins"
    assert rows["c"] == "does not answer skipped: wipe it before it starts again"
    assert f"{NEW.name}, 2 d old, 3.0 MiB, from a" in done.stderr
    assert run("restore", answer="").exit_code == 1
    assert "plan" not in seen
    assert run("restore", answer="y\n").exit_code == 0
    assert seen["plan"].snapshot == NEW


def test_a_restore_says_what_came_of_it(seen: dict[str, Any]) -> None:
    done = run("restore", OLD.name, "--yes")
    assert done.exit_code == 0
    assert f"The cluster is restored from {OLD.name}. Servers: b, a." in done.stdout
    assert "Skipped: c, e." in done.stdout
    told = json.loads(run("restore", "--from-s3", "--yes", "--json").stdout)
    assert (told["restored"], told["rejoined"], told["leftOut"]) == ("a", ["b"], ["c", "e"])
    assert seen["plan"].from_s3


def test_a_failure_is_said_and_ends_with_one(seen: dict[str, Any]) -> None:
    seen["fails"] = "a (10.0.0.11): etcd/restore-snapshot.sh failed"
    done = run("restore", "--yes")
    assert (done.exit_code, "a (10.0.0.11): etcd/restore-snapshot.sh failed" in done.stderr) == (1, True)
    done = run("restore", "on-demand", "--yes")
    assert (done.exit_code, f"did you mean {NEW.name}?" in done.stderr) == (1, True)


def test_a_file_of_this_computer_and_a_token(seen: dict[str, Any], tmp_path: Path) -> None:
    file, token = tmp_path / "mine-1700000000", tmp_path / "token"
    file.write_bytes(b"etcd")
    token.write_text("K10abc::server:s3cret\n")
    done = run("restore", "--file", str(file), "--token-file", str(token), "--yes")
    assert done.exit_code == 0
    plan: Plan = seen["plan"]
    assert (plan.file, plan.first, plan.token, plan.snapshot.taken_at) == (file, "a", "s3cret", 1_700_000_000)
    assert "s3cret" not in done.output + repr(plan)
    assert run("restore", OLD.name, "--file", str(file)).exit_code == 2
    absent = run("restore", "--file", str(tmp_path / "absent"))
    assert (absent.exit_code, f"no file {tmp_path / 'absent'} on" in absent.stderr) == (1, True)
    spaced = tmp_path / "my snapshot"
    spaced.write_bytes(b"etcd")
    assert "is not a snapshot name" in run("restore", "--file", str(spaced), "--yes").stderr


def test_what_pulumi_keeps_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    roll = GIVEN["a-roll"]
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
    with pytest.raises(StackError, match="the state of stack lab has a-roll from another version"):
        task_state.tasks(Stack("lab"))


def test_an_empty_state_restores_nothing(seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_state, "tasks", lambda _: {})
    done = run("restore", "--yes")
    assert (done.exit_code, "does not have a, b, c, d, e" in done.stderr) == (1, True)
    assert "plan" not in seen
