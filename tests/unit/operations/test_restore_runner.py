"""A restore, without machines: what is refused, what is chosen, and the order of what is destroyed."""

import asyncio
import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.cluster import node as described
from operations import restore_runner, snapshot_catalog
from operations.restore_runner import Plan, RestoreResult, RestoreRunner
from operations.snapshot_catalog import S3, Snapshot, SnapshotError
from provider.errors import TaskError, Unreachable
from provider.model import Settings as PluginSettings
from provider.model import Task
from tests.support.restores import AGENTS, SERVERS, SNAPSHOT, TASKS, report, site

SERVER_TOKEN = TASKS["a-roll"].secrets["TOKEN"]
STOP, INSTALL = "node/stop-k3s.sh", "node/install-k3s.sh"
RESTORE, RESET, REPLACE = "etcd/restore-snapshot.sh", "etcd/reset-member.sh", "etcd/replace-snapshot-token.sh"


@dataclass
class Bench:
    """Stands for the machines: notes (machine, script), fails or is silent where a test says so."""

    done: list[tuple[str, str]] = field(default_factory=list)
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    fails: frozenset[tuple[str, str]] = frozenset()
    silent: frozenset[str] = frozenset()

    async def run(self, settings: PluginSettings, task: Task) -> str:
        for step in task.run:
            if step.when:
                continue
            place = settings.servers[0].name if step.on == "server" else task.machine.name
            await asyncio.sleep(0)
            if (place, step.script) in self.fails:
                raise TaskError(f"{place}: {step.script} failed")
            self.done.append((place, step.script))
            self.given[step.script] = {**task.variables, **task.secrets}
        return "before-restore-a-1\n"

    def when(self, script: str, place: str | None = None) -> list[int]:
        return [index for index, each in enumerate(self.done) if each[1] == script and place in (None, each[0])]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()

    async def run(runner: Any, task: Task, _: Any) -> str:
        return await bench.run(runner.settings, task)

    async def connect(_: Any, machine: Any) -> None:
        if machine.name in bench.silent:
            raise Unreachable(f"{machine.name} does not answer")

    async def put(_: Any, machine: Any, source: Path, target: str) -> None:
        bench.done.append((machine.name, f"put {source.name}"))

    monkeypatch.setattr("provider.tasks.runner.Runner.run", run)
    monkeypatch.setattr("provider.ssh.connections.Connections.connect", connect)
    monkeypatch.setattr("provider.ssh.connections.Connections.upload", put)
    return bench


def restore(plan: Plan) -> RestoreResult:
    return asyncio.run(RestoreRunner(site(), TASKS, plan, lambda _: None).run())


def test_the_server_that_has_the_snapshot_is_restored_and_the_others_join(bench: Bench) -> None:
    plan = restore_runner.plan_restore(report(), SNAPSHOT)
    assert (plan.first, plan.others, plan.lost, plan.from_s3) == ("b", ("a", "c"), (), False)
    restore(plan)
    assert (bench.given[RESTORE]["SNAPSHOT"], bench.given[RESTORE]["FETCH"]) == (SNAPSHOT.name, "no")


def test_nothing_is_destroyed_before_the_cluster_is_back(bench: Bench) -> None:
    restore(restore_runner.plan_restore(report(serving="ac"), SNAPSHOT))
    ready = max(index for index in bench.when("node/stage-k3s.sh") if index < min(bench.when(STOP)))
    assert {bench.done[index][0] for index in bench.when("node/stage-k3s.sh")[:5]} == {*SERVERS, *AGENTS}
    assert bench.when("etcd/take-snapshot.sh", "a")
    assert ready < min(bench.when(STOP))
    assert max(bench.when("etcd/take-snapshot.sh")) < min(bench.when(STOP))
    assert {bench.done[index][0] for index in bench.when(STOP)} == set(SERVERS)
    (reset,) = bench.when(RESTORE)
    assert bench.done[reset][0] == "b"
    assert max(bench.when(STOP)) < reset < bench.when(INSTALL, "b")[0] < min(bench.when(RESET))
    assert {bench.done[index][0] for index in bench.when(RESET)} == {"a", "c"}
    for other in ("a", "c"):
        assert bench.when(RESET, other)[0] < bench.when(INSTALL, other)[0]
    assert {bench.done[index][0] for index in bench.when("node/restart-agent.sh")} == set(AGENTS)
    settled = bench.done[max(bench.when(INSTALL) + bench.when("node/restart-agent.sh")) + 1 :]
    assert sorted(settled) == sorted([("b", "cluster/uncordon.sh"), ("b", "cluster/sync-labels.sh")] * 5)


def test_settings_of_a_machine_are_applied_before_it_is_prepared(bench: Bench) -> None:
    plan = restore_runner.plan_restore(report(), SNAPSHOT)
    task = TASKS["a-prepare"].model_copy(update={"variables": {"NODE": "a", "TIMEZONE": "UTC"}})
    commands = {"a-machine": task, "a-before-k3s": task}
    asyncio.run(RestoreRunner(site(), {**TASKS, **commands}, plan, lambda _: None).run())
    (configured,) = bench.when("node/configure-machine.sh")
    (ran,) = bench.when("node/run-commands.sh")
    assert configured < ran < bench.when("node/prepare.sh", "a")[0]
    assert bench.done[configured][0] == "a"
    assert configured < bench.when("node/prepare.sh", "a")[0]
    assert bench.given["node/configure-machine.sh"]["TIMEZONE"] == "UTC"


def test_kubeconfigs_that_were_ended_before_are_so_again(bench: Bench) -> None:
    """The snapshot may hold the rights of an earlier rotation."""
    restore(restore_runner.plan_restore(report(), SNAPSHOT))
    (bound,) = bench.when("cluster/bind-kubeconfig-users.sh")
    assert bench.when(RESTORE)[0] < bound < min(bench.when(RESET))
    assert bench.given["cluster/bind-kubeconfig-users.sh"]["RIGHTS"] == TASKS["cluster-kubeconfig"].variables["RIGHTS"]


def test_a_state_that_knows_no_rights_binds_nobody(bench: Bench) -> None:
    old = TASKS["cluster-kubeconfig"].model_copy(update={"variables": {"ENDPOINT": "x"}})
    asyncio.run(
        RestoreRunner(
            site(), TASKS | {"cluster-kubeconfig": old}, restore_runner.plan_restore(report(), SNAPSHOT), lambda _: None
        ).run()
    )
    assert not bench.when("cluster/bind-kubeconfig-users.sh")
    assert bench.when(RESET)


def test_a_snapshot_of_this_computer_is_placed_before_anything_stops(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "mine-1700000000"
    file.write_bytes(b"etcd")
    restore(restore_runner.plan_restore(report(), Snapshot(file.name, 1.7e9, 4, ()), file))
    sent, placed = bench.done.index(("a", "put mine-1700000000")), bench.when("etcd/receive-snapshot.sh", "a")[0]
    assert sent < placed < min(bench.when(STOP))
    assert bench.given["etcd/receive-snapshot.sh"]["CHECKSUM"] == hashlib.sha256(b"etcd").hexdigest()
    assert bench.given[RESTORE]["SNAPSHOT"] == file.name


@pytest.mark.parametrize("script", ["node/prepare.sh", "node/stage-k3s.sh", STOP])
def test_a_server_that_fails_before_the_restore_leaves_all_data(bench: Bench, script: str) -> None:
    bench.fails = frozenset({("c", script)})
    with pytest.raises(TaskError, match=f"c: {script} failed"):
        restore(restore_runner.plan_restore(report(), SNAPSHOT))
    assert not bench.when(RESTORE)
    assert not bench.when(RESET)
    assert not bench.when(STOP) or script == STOP


def test_a_restore_that_fails_leaves_the_others_data(bench: Bench) -> None:
    bench.fails = frozenset({("b", RESTORE)})
    with pytest.raises(TaskError, match=r"b: etcd/restore-snapshot\.sh failed"):
        restore(restore_runner.plan_restore(report(), SNAPSHOT))
    assert not bench.when(RESET)


def test_no_snapshot_of_what_is_there_does_not_stop_it(bench: Bench) -> None:
    bench.fails = frozenset({("a", "etcd/take-snapshot.sh")})
    restore(restore_runner.plan_restore(report(serving="a"), SNAPSHOT))
    assert bench.when(RESTORE)


def test_lost_machines_are_left_out(bench: Bench) -> None:
    bench.silent = frozenset({"e"})
    restored = restore(restore_runner.plan_restore(report("a"), SNAPSHOT))
    assert (restored.plan.lost, restored.plan.others, restored.skipped_agents) == (("a",), ("c",), ("e",))
    assert not {"a", "e"} & {place for place, _ in bench.done}
    assert bench.given["cluster/clear-node-passwords.sh"]["NODES"] == "c a d e"


def test_copies_on_s3_are_fetched_where_no_server_has_one(bench: Bench) -> None:
    both = replace(SNAPSHOT, locations=("b", S3))
    plans = [
        restore_runner.plan_restore(report(), both),
        restore_runner.plan_restore(report("b"), both),
        restore_runner.plan_restore(report(), both, from_s3=True),
        restore_runner.plan_restore(report(), replace(SNAPSHOT, locations=(S3,))),
    ]
    assert [(plan.first, plan.from_s3) for plan in plans] == [("b", False), ("a", True), ("a", True), ("a", True)]
    restore(plans[1])
    assert bench.given[RESTORE]["FETCH"] == "yes"


def test_what_cannot_be_restored_is_refused() -> None:
    with pytest.raises(SnapshotError, match="No server answers"):
        restore_runner.plan_restore(report("a", "b", "c"), SNAPSHOT)
    with pytest.raises(SnapshotError, match="is only on unreachable servers: power on b"):
        restore_runner.plan_restore(report("b"), SNAPSHOT)
    with pytest.raises(SnapshotError, match="state of stack lab lacks the tasks of e: "):
        restore_runner.require_tasks(site(), {name: task for name, task in TASKS.items() if name != "e-roll"})
    restore_runner.require_tasks(site(), TASKS)


def test_the_newest_is_chosen_but_never_what_a_restore_replaced() -> None:
    newer = Snapshot("etcd-snapshot-a-1700000009", 1_700_000_009, 5, (S3,))
    replaced = Snapshot("before-restore-a-1700000010", 1_700_000_010, 5, ("a",))
    all_of_them = report(stored=(replaced, newer, SNAPSHOT))
    assert all_of_them.choose(None) == newer
    assert all_of_them.choose(replaced.name) == replaced
    assert all_of_them.choose(None, from_s3=True) == newer
    with pytest.raises(SnapshotError, match=f"did you mean {newer.name}"):
        all_of_them.choose("etcd-snapshot-a-1700000008")
    with pytest.raises(SnapshotError, match=f"There is no snapshot {SNAPSHOT.name} on S3"):
        all_of_them.choose(SNAPSHOT.name, from_s3=True)
    with pytest.raises(SnapshotError, match="There is no snapshot on a server that answers, or on S3: use"):
        report(stored=(replaced,)).choose(None)


def test_the_token_of_a_snapshot_gives_way_to_the_stacks(bench: Bench) -> None:
    restore(replace(restore_runner.plan_restore(report(), SNAPSHOT), token="old"))
    (reset,), (rotated,) = bench.when(RESTORE), bench.when(REPLACE)
    assert bench.given[RESTORE]["TOKEN"] == "old"
    assert (bench.given[REPLACE]["OLD_TOKEN"], bench.given[REPLACE]["TOKEN"]) == ("old", SERVER_TOKEN)
    assert bench.given["node/stage-k3s.sh"]["TOKEN"] == SERVER_TOKEN
    assert reset < bench.when(INSTALL, "b")[0] < rotated < bench.when(INSTALL, "b")[1] < min(bench.when(RESET))


def test_every_variable_of_the_scripts_is_given(bench: Bench, tmp_path: Path) -> None:
    """With `set -u` a script ends at one that is not."""
    from tests.unit.scripts.test_scripts import ALWAYS, EXPORTED, reads

    file = tmp_path / "mine-1700000000"
    file.write_bytes(b"etcd")
    plan = restore_runner.plan_restore(report(serving="a"), Snapshot(file.name, 1.7e9, 4, ()), file)
    restore(replace(plan, token="old"))
    assert bench.given.keys() >= {
        "etcd/receive-snapshot.sh",
        STOP,
        RESTORE,
        REPLACE,
        "cluster/clear-node-passwords.sh",
        RESET,
    }
    for script, given in bench.given.items():
        assert reads(script) - ALWAYS - EXPORTED <= given.keys(), script


def test_preparing_is_what_a_run_of_pulumi_does() -> None:
    disturbing = {"cluster/wait-for-quorum.sh", "cluster/drain.sh", "cluster/uncordon.sh"}
    ours = [dict(step) for step in described.PREPARE if step["script"] not in disturbing]
    assert [dict(step) for step in restore_runner.PREPARE] == ours


def test_a_servers_answer_is_read() -> None:
    lines = ["k3s serving", "on-demand-a-1700000000 1654816 1700000003.5", "mine 5 1600000000.25", "with spaces 5 1.0"]
    server = snapshot_catalog.parse_server("a", "\n".join([*lines, "z-1700000001.zip 7 1.0\n"]))
    assert server.k3s == "serving"
    assert [(each.name, each.taken_at, each.size) for each in server.snapshots] == [
        ("on-demand-a-1700000000", 1_700_000_000, 1_654_816),
        ("mine", 1_600_000_000.25, 5),
        ("z-1700000001.zip", 1_700_000_001, 7),
    ]
    (one, other) = snapshot_catalog.merge_copies([*server.snapshots[:2], replace(server.snapshots[0], locations=(S3,))])
    assert (one.locations, other.locations) == (("a", S3), ("a",))
