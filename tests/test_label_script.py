"""The script that keeps labels and taints of a node in step: its own go, those of others stay."""

from pathlib import Path

import pytest

from tests.machine_scripts import Fake, Run

NODE = """
case $* in
  *go-template*)
    sed 's/^/b /' others
    { echo machine 1234; cat has; for each in labels taints; do echo $each $(cat $each); done; } | sed 's/^/a /' ;;
  *' taint '*)
    for each in "${@:6}"; do
      [[ $each != *- ]] || grep -qxF "taint ${each%-}" has || { echo "taint ${each%-} not found" >&2; exit 1; }
    done ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> Fake:
    fake = Fake(tmp_path, {"k3s": NODE})
    for name in ("labels", "taints", "has", "others"):
        fake.file(name).write_text("")
    return fake


def marked(server: Fake, labels: str = "", taints: str = "") -> Run:
    return server.run("label", NODE="a", LABELS=labels, TAINTS=taints)


def set_by(run: Run, verb: str) -> list[str]:
    """What was done with `kubectl VERB`."""
    start = f"k3s kubectl --request-timeout=15s {verb} node a --overwrite "
    return [call.removeprefix(start) for call in run.calls if call.startswith(start)]


def test_effect_of_a_taint_is_changed(server: Fake) -> None:
    server.file("taints").write_text("dedicated=x:NoExecute")
    server.file("has").write_text("taint dedicated:NoExecute\ntaint theirs:NoSchedule\n")
    done = marked(server, taints="dedicated=x:NoSchedule")
    assert (done.status, set_by(done, "taint")) == (0, ["dedicated:NoExecute- dedicated=x:NoSchedule"])
    assert set_by(done, "annotate") == ["homelab/taints=dedicated=x:NoSchedule"]


def test_value_of_a_taint_is_changed(server: Fake) -> None:
    server.file("taints").write_text("dedicated=x:NoExecute")
    server.file("has").write_text("taint dedicated:NoExecute\n")
    done = marked(server, taints="dedicated=y:NoExecute\nbare:NoSchedule")
    assert (done.status, set_by(done, "taint")) == (0, ["dedicated=y:NoExecute bare:NoSchedule"])


def test_taint_that_was_removed_by_hand_may_leave_the_file(server: Fake) -> None:
    server.file("taints").write_text("dedicated=x:NoExecute bare:NoSchedule")
    server.file("has").write_text("taint bare:NoSchedule\n")
    done = marked(server)
    assert (done.status, done.errors, set_by(done, "taint")) == (0, "", ["bare:NoSchedule-"])
    assert set_by(done, "annotate") == ["homelab/taints="]


def test_label_that_is_wanted_no_more_goes(server: Fake) -> None:
    server.file("labels").write_text("example.org/disk=ssd room=attic")
    server.file("has").write_text("label example.org/disk\nlabel room\nlabel theirs\n")
    done = marked(server, labels="room=cellar")
    assert (done.status, set_by(done, "label")) == (0, ["example.org/disk- room=cellar"])


def test_nothing_is_done_where_nothing_is_wanted(server: Fake) -> None:
    server.file("has").write_text("label theirs\ntaint theirs:NoSchedule\n")
    done = marked(server)
    assert (done.status, set_by(done, "label"), set_by(done, "taint"), set_by(done, "annotate")) == (0, [], [], [])


def test_what_was_given_is_noted_at_once(server: Fake) -> None:
    done = marked(server, labels="room=attic\nempty=", taints="bare:NoSchedule")
    assert set_by(done, "annotate") == ["homelab/labels=room=attic empty= homelab/taints=bare:NoSchedule"]
    assert len([call for call in done.calls if call.startswith("k3s ")]) == 4, "one look, and what is to be set"


def test_marks_of_another_node_are_no_concern(server: Fake) -> None:
    server.file("labels").write_text("room=attic")
    server.file("others").write_text("machine 5678\nlabel room\nlabels room=cellar\n")
    assert set_by(marked(server), "label") == []


def test_a_copied_disk_is_named(server: Fake) -> None:
    server.file("others").write_text("machine 1234\n")
    done = marked(server)
    assert done.status == 1
    assert "a has the same machine-id as b: they were copied from one disk." in done.errors
