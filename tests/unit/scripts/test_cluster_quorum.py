"""Before a node is changed: its pods go, and the quorum is kept, unless the API says that there is no need."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from components.cluster.node import PREPARE, ROLL
from components.provider_resources import Step
from tests.support.machine_scripts import FakeMachine, ScriptRun

# what the API knows: nodes with what keeps pods away, whether b is Ready, the servers in etcd
KUBECTL = """
shift; [[ $1 != --request-timeout* ]] || shift
[ ! -e silent ] || ! grep -qF -- "$(cat silent)" <<<"$*" || { echo 'the server is unable to answer' >&2; exit 1; }
case "$*" in
  'get node b --ignore-not-found'*) echo node/b ;;
  'get node b '*unschedulable*) ;;
  'get node b '*) echo True ;;
  'get nodes -l '*) cat members ;;
  'get nodes '*) cat nodes ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"k3s": KUBECTL, "curl": "[ ! -e away ]", "journalctl": ""})
    fake.file("nodes").write_text("a \nb \n")
    fake.file("members").write_text("a TrueTrue\nb TrueTrue\nc TrueTrue\n")
    return fake


def drained(server: FakeMachine) -> ScriptRun:
    return server.run("cluster/drain", NODE="b", DRAIN_SECONDS="300")


def moves(done: ScriptRun) -> bool:
    return any(" drain b " in call for call in done.calls)


def test_pods_go_to_other_nodes(server: FakeMachine) -> None:
    done = drained(server)
    assert (done.status, moves(done)) == (0, True)
    server.file("nodes").write_text("a true\nb \n")
    done = drained(server)
    assert (done.status, moves(done), done.progress) == (0, False, ["b is the only node: its pods stay"])


@pytest.mark.parametrize("silent", ["get node b", "get nodes"])
def test_pods_do_not_stay_because_the_api_does_not_say(server: FakeMachine, silent: str) -> None:
    server.file("silent").write_text(silent)
    done = drained(server)
    assert (done.status, moves(done)) == (1, False), done.errors
    assert "The API on" in done.errors
    assert "did not answer" in done.errors


def test_a_cluster_that_does_not_serve_is_mended_without_a_drain(server: FakeMachine) -> None:
    server.file("away").touch()
    done = drained(server.with_fast_sleep)
    assert (done.status, moves(done)) == (0, False)


def spared(server: FakeMachine) -> ScriptRun:
    return server.run("cluster/wait-for-quorum", NODE="b", ROLE="server", VERSION="v1.36.3+k3s1")


@pytest.mark.parametrize("silent", ["get node b", "get nodes -l"])
def test_the_quorum_is_not_risked_because_the_api_does_not_say(server: FakeMachine, silent: str) -> None:
    server.file("silent").write_text(silent)
    done = spared(server)
    assert done.status == 1
    assert "did not answer" in done.errors


def test_a_server_is_changed_once_the_others_keep_the_quorum(server: FakeMachine) -> None:
    assert spared(server).status == 0
    server.file("members").write_text("a TrueFalse\nb TrueTrue\nc TrueTrue\n")
    done = spared(server.with_fast_sleep)
    assert (done.status, "b was not changed, because the API would be unavailable" in done.errors) == (1, True)
    server.file("members").write_text("b TrueTrue\n")
    assert spared(server).status == 0, "the only one"


@pytest.mark.parametrize("run", [PREPARE, ROLL])
def test_the_quorum_is_checked_again_once_the_server_has_its_turn(run: Sequence[Step]) -> None:
    quorum = [step.get("turn", False) for step in run if step["script"] == "cluster/wait-for-quorum.sh"]
    assert quorum == [False, True], "a server that waits for the quorum must not keep others from repairing theirs"
    assert next(step["script"] for step in run if step.get("turn")) == "cluster/wait-for-quorum.sh"


def test_an_agent_reboots_without_a_version(server: FakeMachine) -> None:
    done = server.run("cluster/wait-for-quorum", NODE="b", ROLE="agent")
    assert (done.status, done.errors) == (0, "")


@pytest.mark.parametrize(("cordoned", "returns"), [("true", True), ("", False)])
def test_a_node_that_a_run_cordoned_is_uncordoned_and_one_that_somebody_else_did_stays(
    tmp_path: Path, cordoned: str, returns: bool
) -> None:
    """Whichever run it was: one that was killed after the restart left it so."""
    seen = f"case \"$*\" in *'get node b'*) echo 'ready=True voter=True cordoned={cordoned}' ;; esac"
    done = FakeMachine(tmp_path, {"k3s": seen, "journalctl": ""}).run(
        "cluster/uncordon", NODE="b", ROLE="server", CNI="flannel"
    )
    changed = [call.split("=15s ")[1] for call in done.calls if "get node" not in call]
    assert (done.status, changed) == (0, ["uncordon b", "annotate node b homelab/cordoned-"] if returns else [])
