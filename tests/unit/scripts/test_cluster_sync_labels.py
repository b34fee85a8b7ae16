"""The script that keeps labels and taints of a node in step: its own go, those of others stay."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

NODE = """
case $* in
  *'get configmap'*) cat record 2>/dev/null || true ;;
  *' apply '*) sed -n 's/.*"data": {"labels": \\(".*"\\), "taints": \\(".*"\\)}}/labels \\1\\ntaints \\2/p' >record ;;
  *go-template*)
    sed 's/^/b /' others
    { echo machine 1234; cat has; for each in labels taints; do [ ! -s $each ] || cat $each; done; } | sed 's/^/a /' ;;
  *' taint '*)
    for each in "${@:6}"; do
      [[ $each != *- ]] || grep -qxF "taint ${each%-}" has || { echo "taint ${each%-} not found" >&2; exit 1; }
    done ;;
esac
"""


@pytest.fixture
def server(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"k3s": NODE})
    for name in ("labels", "taints", "has", "others"):
        fake.file(name).write_text("")
    return fake


def given_before(server: FakeMachine, labels: str = "", taints: str = "") -> None:
    """What an earlier run set: it stands in a ConfigMap, and in annotations."""
    server.file("record").write_text(f'labels "{labels}"\ntaints "{taints}"')
    annotated(server, f'"{labels}"', f'"{taints}"')


def annotated(server: FakeMachine, labels: str, taints: str) -> None:
    server.file("labels").write_text(f"labels {labels}\n")
    server.file("taints").write_text(f"taints {taints}\n")


def marked(server: FakeMachine, labels: str = "", taints: str = "") -> ScriptRun:
    return server.run("cluster/sync-labels", NODE="a", LABELS=labels, TAINTS=taints)


def set_by(run: ScriptRun, verb: str) -> list[str]:
    """What was done with `kubectl VERB`."""
    start = f"k3s kubectl --request-timeout=15s {verb} node a --overwrite "
    return [call.removeprefix(start) for call in run.calls if call.startswith(start)]


def test_effect_of_a_taint_is_changed(server: FakeMachine) -> None:
    given_before(server, taints="dedicated=x:NoExecute")
    server.file("has").write_text("taint dedicated:NoExecute\ntaint theirs:NoSchedule\n")
    done = marked(server, taints="dedicated=x:NoSchedule")
    assert (done.status, set_by(done, "taint")) == (0, ["dedicated:NoExecute- dedicated=x:NoSchedule"])
    assert set_by(done, "annotate") == ["homelab/taints=dedicated=x:NoSchedule"]


def test_value_of_a_taint_is_changed(server: FakeMachine) -> None:
    given_before(server, taints="dedicated=x:NoExecute")
    server.file("has").write_text("taint dedicated:NoExecute\n")
    done = marked(server, taints="dedicated=y:NoExecute\nbare:NoSchedule")
    assert (done.status, set_by(done, "taint")) == (0, ["dedicated=y:NoExecute bare:NoSchedule"])


def test_taint_that_was_removed_by_hand_may_leave_the_file(server: FakeMachine) -> None:
    given_before(server, taints="dedicated=x:NoExecute bare:NoSchedule")
    server.file("has").write_text("taint bare:NoSchedule\n")
    done = marked(server)
    assert (done.status, done.errors, set_by(done, "taint")) == (0, "", ["bare:NoSchedule-"])
    assert set_by(done, "annotate") == ["homelab/taints="]


def test_label_that_is_wanted_no_more_goes(server: FakeMachine) -> None:
    given_before(server, labels="example.org/disk=ssd room=attic")
    server.file("has").write_text("label example.org/disk\nlabel room\nlabel theirs\n")
    done = marked(server, labels="room=cellar")
    assert (done.status, set_by(done, "label")) == (0, ["example.org/disk- room=cellar"])


def test_nothing_is_done_where_nothing_is_wanted(server: FakeMachine) -> None:
    server.file("has").write_text("label theirs\ntaint theirs:NoSchedule\n")
    done = marked(server)
    assert (done.status, set_by(done, "label"), set_by(done, "taint"), set_by(done, "annotate")) == (0, [], [], [])


def test_what_was_given_is_noted_at_once(server: FakeMachine) -> None:
    done = marked(server, labels="room=attic\nempty=", taints="bare:NoSchedule")
    assert set_by(done, "annotate") == ["homelab/labels=room=attic empty= homelab/taints=bare:NoSchedule"]
    assert len([call for call in done.calls if call.startswith("k3s ")]) == 6, "two looks, the record, what is set"
    assert server.file("record").read_text().split("\n")[0] == 'labels "empty= room=attic"'


def test_marks_of_another_node_are_no_concern(server: FakeMachine) -> None:
    given_before(server, labels="room=attic")
    server.file("others").write_text("machine 5678\nlabel room\nlabels room=cellar\n")
    assert set_by(marked(server), "label") == []


def test_a_copied_disk_is_named(server: FakeMachine) -> None:
    server.file("others").write_text("machine 1234\n")
    done = marked(server)
    assert done.status == 1
    assert "a has the same machine-id as b: one disk is a copy of the other." in done.errors


def test_a_lab_built_before_records_has_its_annotations(server: FakeMachine) -> None:
    annotated(server, '"room=attic"', '"dedicated=x:NoExecute"')
    server.file("has").write_text("label room\ntaint dedicated:NoExecute\n")
    done = marked(server)
    assert (set_by(done, "label"), set_by(done, "taint")) == (["room-"], ["dedicated:NoExecute-"])


@pytest.mark.parametrize("recorded", [True, False])
def test_an_annotation_removes_nothing_of_others(recorded: bool, server: FakeMachine) -> None:
    """The machine itself may annotate its node: a line break, or the name of a taint that keeps pods away from it."""
    if recorded:
        given_before(server, labels="room=attic")
    annotated(server, r'"room=attic\na taints quarantine=yes:NoSchedule"', '"quarantine=yes:NoSchedule"' * recorded)
    server.file("has").write_text("label room\ntaint quarantine:NoSchedule\n")
    done = marked(server, labels="room=attic")
    assert (done.status, set_by(done, "taint")) == (0, [])


def test_a_run_that_ends_early_leaves_nothing_unrecorded(server: FakeMachine) -> None:
    given_before(server, labels="room=attic")
    stopped = FakeMachine(server.root, {"k3s": f"case $* in *' label node '*) exit 1 ;; esac\n{NODE}"})
    assert marked(stopped, labels="disk=ssd").status == 1
    assert server.file("record").read_text().startswith('labels "disk=ssd room=attic"')
