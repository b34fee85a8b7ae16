"""The lock of kured: homelab takes it before a drain, and waits while kured itself reboots a node."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

KUBECTL = r"""
shift; [[ $1 != --request-timeout* ]] || shift
case "$*" in
  'get daemonset kured -n kured'*) [ ! -e kured ] || echo "7 $(cat kured)" ;;
  'annotate daemonset kured '*) [ ! -e conflict ] || { rm conflict; exit 1; }; printf '%s' "${@: -1}" >taken ;;
  'get node c --ignore-not-found'*) [ ! -e gone ] || exit 0; echo node/c ;;
  'get node b --ignore-not-found'*) echo node/b ;;
  'get node b '*unschedulable*) ;;
  'get node b '*) echo True ;;
  'get nodes -l '*) printf '%s TrueTrue\n' a b c ;;
  'get nodes '*) printf '%s \n' a b ;;
esac
"""
LOCK = "weave.works/kured-node-lock="


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path, {"k3s": KUBECTL, "curl": "", "journalctl": ""})


def held(server: FakeMachine, holder: str, *, minutes: int = 0, ttl: timedelta = timedelta()) -> FakeMachine:
    """Let `holder` hold the lock since `minutes`, in the format that kured writes."""
    created = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat().replace("+00:00", "123Z")
    nanoseconds = int(ttl.total_seconds()) * 10**9
    lock = {"nodeID": holder, "metadata": {"unschedulable": False}, "created": created, "TTL": nanoseconds}
    server.file("kured").write_text(json.dumps(lock, separators=(",", ":")))
    return server


def drained(server: FakeMachine) -> ScriptRun:
    return server.run("cluster/drain", NODE="b", DRAIN_SECONDS="300")


def moves(done: ScriptRun) -> bool:
    return any(" drain b " in call for call in done.calls)


def taken(server: FakeMachine) -> bool:
    return server.file("taken").exists()


def test_a_cluster_without_kured_has_no_lock(server: FakeMachine) -> None:
    done = drained(server)
    assert (done.status, moves(done), taken(server)) == (0, True, False), done.errors


def test_the_lock_is_one_that_kured_reads_and_that_expires(server: FakeMachine) -> None:
    server.file("kured").write_text("")
    done = drained(server)
    assert (done.status, moves(done)) == (0, True), done.errors
    (call,) = (call for call in done.calls if "annotate daemonset" in call)
    assert "--resource-version=7" in call
    lock = json.loads(server.file("taken").read_text().removeprefix(LOCK))
    assert (lock["nodeID"], lock["TTL"]) == ("pulumi up", 30 * 60 * 10**9)
    age = datetime.now(UTC) - datetime.fromisoformat(lock["created"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_packages_are_upgraded_only_with_the_lock(server: FakeMachine) -> None:
    server.file("kured").write_text("")
    assert (server.run("cluster/pause-kured", NODE="b").status, taken(server)) == (0, True)
    server.file("taken").unlink()
    assert server.run("cluster/pause-kured", NODE="b").status == 0
    done = held(server, "c").with_fast_sleep.run("cluster/pause-kured", NODE="b")
    assert done.status == 1
    assert "b was not changed, because the lock of kured" in done.errors


def test_an_api_that_fails_is_no_lock(tmp_path: Path) -> None:
    kubectl = KUBECTL.replace("'get daemonset kured -n kured'*)", "'get daemonset kured -n kured'*) exit 1 ;; none)")
    curl = "[ ! -e asked ] || exit 7; touch asked"
    done = drained(FakeMachine(tmp_path, {"k3s": kubectl, "curl": curl, "journalctl": ""}).with_fast_sleep)
    assert (done.status, done.progress) == (1, [])
    assert "did not answer, so b was not changed; run `pulumi up` again." in done.errors


def test_nothing_is_drained_while_kured_reboots_a_node(server: FakeMachine) -> None:
    done = drained(held(server, "c").with_fast_sleep)
    assert (done.status, moves(done), taken(server)) == (1, False, False)
    assert done.progress == ["waiting for the lock of kured, which reboots c"]
    reason = "b was not changed, because the lock of kured was not free within 900 s: kured reboots c."
    assert reason in done.errors
    assert "kubectl annotate daemonset kured -n kured weave.works/kured-node-lock-" in done.errors


@pytest.mark.parametrize(
    ("holder", "minutes", "ttl"),
    [("pulumi up", 1, timedelta(minutes=30)), ("c", 61, timedelta(hours=1)), ("c", 1, timedelta())],
    ids=["own", "expired", "of a node that was removed"],
)
def test_a_lock_that_nobody_will_release_is_taken(
    server: FakeMachine, holder: str, minutes: int, ttl: timedelta
) -> None:
    if not ttl:
        server.file("gone").touch()
    done = drained(held(server, holder, minutes=minutes, ttl=ttl))
    assert (done.status, moves(done), taken(server)) == (0, True, True), done.errors


def test_a_lock_with_a_ttl_counts_until_it_expires(server: FakeMachine) -> None:
    done = drained(held(server, "c", minutes=59, ttl=timedelta(hours=1)).with_fast_sleep)
    assert (done.status, moves(done)) == (1, False)


@pytest.mark.parametrize("holder", ["", "pulumi up"])
def test_a_lock_that_somebody_took_in_the_meantime_is_not_overwritten(server: FakeMachine, holder: str) -> None:
    held(server, holder)
    server.file("conflict").touch()
    done = drained(server)
    assert (done.status, done.progress[0]) == (0, "waiting for the lock of kured")


def test_a_removed_node_leaves_no_lock_behind(server: FakeMachine) -> None:
    server = held(server, "c")
    server.file("gone").touch()
    done = server.run("cluster/remove-node", NODE="b", DRAIN_SECONDS="300", SERVERS="a c", FLAGS="")
    assert (done.status, taken(server)) == (0, True), done.errors
