"""Pulumi's state differs from the machines: outdated, lost or another stack's state, concurrent runs, a target."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.labs import stack_document
from tests.rehearsal.rehearsed_lab import RehearsedLab, kill_tree, rehearse, wait_until

pytestmark = pytest.mark.drill

RETIRED = "/var/lib/homelab/retired"
MEMBERS = {"s1", "a1"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RehearsedLab]:
    with rehearse("states", stack_document(1, 1, api={}), tmp_path_factory.mktemp("states")) as found:
        found.up()
        found.kubectl("create", "configmap", "canary", "--from-literal=kept=yes")
        yield found


def export_state(lab: RehearsedLab, file: Path) -> Path:
    lab.pulumi_succeeds("stack", "export", "--file", str(file))
    return file


def import_state(lab: RehearsedLab, file: Path) -> None:
    lab.pulumi_succeeds("stack", "import", "--file", str(file))


def write_empty_state(state: Path) -> Path:
    """Write a copy of the stack's state without resources; return its path."""
    document = json.loads(state.read_text())
    document["deployment"].update(resources=[], pending_operations=[])
    file = state.with_name("empty.json")
    file.write_text(json.dumps(document))
    return file


def check_cluster(lab: RehearsedLab) -> None:
    wait_until(lambda: lab.ready_nodes() == MEMBERS, "both nodes are Ready")
    assert lab.kubectl("get", "configmap", "canary", "-o", "jsonpath={.data.kept}") == "yes"


def test_a_refresh_changes_nothing(lab: RehearsedLab) -> None:
    lab.pulumi_succeeds("refresh", "--yes")
    lab.up_changes_nothing()


def test_two_runs_at_once_are_refused(lab: RehearsedLab) -> None:
    lab.node_settings("a1").update(labels={"run": "first"})
    lab.reopen()
    lab.run_as_root("a1", "mkdir -p /run/homelab; systemd-run -q --unit=holds flock /run/homelab/lock sleep 600")
    first = lab.session.engine.start("up", "--yes", "--skip-preview", output=subprocess.PIPE)
    assert first.stdout
    for line in first.stdout:
        if "waiting for an earlier run on this machine to end" in line:
            break
    try:
        assert "the stack is currently locked by" in lab.up_fails()
    finally:
        lab.run_as_root("a1", "systemctl stop holds")
    said, _ = first.communicate(timeout=300)
    assert first.returncode == 0, said
    lab.up_changes_nothing()


def test_an_old_state_is_upgraded(lab: RehearsedLab, tmp_path: Path) -> None:
    old = export_state(lab, tmp_path / "old.json")
    lab.node_settings("a1").update(labels={"run": "second"}, taints=["only=me:PreferNoSchedule"])
    lab.reopen()
    lab.up()
    import_state(lab, old)
    lab.up()
    lab.up_changes_nothing()
    a1 = json.loads(lab.kubectl("get", "node", "a1", "-o", "json"))
    assert (a1["metadata"]["labels"]["run"], len(a1["spec"]["taints"])) == ("second", 1)
    lab.node_settings("a1").update(labels={}, taints=[])
    lab.reopen()
    lab.up()
    a1 = json.loads(lab.kubectl("get", "node", "a1", "-o", "json"))
    assert ("run" in a1["metadata"]["labels"], "taints" in a1["spec"]) == (False, False)


def test_a_target_changes_only_its_machine(lab: RehearsedLab) -> None:
    for name in ("s1", "a1"):
        lab.node_settings(name).update(labels={"target": "yes"})
    lab.reopen()
    urns = json.loads(lab.session.engine.capture("stack", "export"))["deployment"]["resources"]
    (urn,) = (each["urn"] for each in urns if each["urn"].endswith("::a1-roll"))
    lab.up("--target", urn)
    labels = {name: lab.kubectl("get", "node", name, "-o", "jsonpath={.metadata.labels.target}") for name in MEMBERS}
    assert labels == {"a1": "yes", "s1": ""}
    lab.up()
    lab.up_changes_nothing()


def test_machines_of_another_state_are_refused_and_keep_their_token(lab: RehearsedLab, tmp_path: Path) -> None:
    state = export_state(lab, tmp_path / "state.json")
    token = lab.run_as_root("s1", "cat /etc/rancher/k3s/token")
    import_state(lab, write_empty_state(state))
    said = lab.up_fails()
    assert "This machine is the node s1 of another cluster; no changes were made here." in said
    assert lab.run_as_root("s1", "cat /etc/rancher/k3s/token") == token
    import_state(lab, state)
    check_cluster(lab)
    lab.up_changes_nothing()


def test_guards_work_after_an_abandoned_destroy(lab: RehearsedLab) -> None:
    process = lab.session.engine.start("destroy", "--yes", "--skip-preview", output=subprocess.DEVNULL)
    wait_until(lambda: lab.run_as_root("s1", f"ls {RETIRED} 2>/dev/null; true"), "the destroy has started")
    kill_tree(process.pid)
    process.wait()
    lab.reopen()
    wait_until(
        lambda: not lab.run_as_root("s1", "fuser /run/homelab/lock 2>/dev/null; true"),
        "the scripts of the killed destroy have ended",
    )
    if lab.run_as_root("s1", f"ls {RETIRED} 2>/dev/null; true"):
        assert "a destroy of the whole lab is unfinished" in lab.pulumi("preview")[1]
    lab.up()
    assert lab.run_as_root("s1", f"ls {RETIRED} 2>/dev/null; true") == ""
    wait_until(lambda: lab.ready_nodes() == MEMBERS, "both nodes are Ready")
    lab.cluster["nodes"] = [node for node in lab.cluster["nodes"] if node["name"] != "a1"]
    lab.reopen()
    assert "draining a1" in lab.up()


def test_an_old_stack_does_not_undo_a_new_lab(lab: RehearsedLab, tmp_path: Path) -> None:
    old = export_state(lab, tmp_path / "old.json")
    lab.pulumi_succeeds("destroy", "--yes", "--skip-preview")
    assert lab.run_as_root("s1", "ls -d /etc/rancher /var/lib/homelab /var/lib/rancher/k3s 2>/dev/null; true") == ""
    lab.reopen()
    lab.up()
    new = export_state(lab, tmp_path / "new.json")
    import_state(lab, old)
    said = lab.pulumi("destroy", "--yes", "--skip-preview")[1]
    assert "This machine is the node s1 of another cluster; no changes were made here." in said
    assert lab.run_as_root("s1", "systemctl is-active k3s").strip() == "active"
    import_state(lab, new)
    lab.up_changes_nothing()


def test_a_lab_without_working_servers_leaves_the_state(lab: RehearsedLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.lab.power_off("s1")
    code, said = lab.pulumi("destroy", "--yes", "--skip-preview")
    assert (code != 0, "s1 (10.9.0.11) does not answer on SSH port" in said) == (True, True), said
    monkeypatch.setenv("HOMELAB_DELETE_UNREACHABLE", "true")
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    said = lab.pulumi_succeeds("destroy", "--yes", "--skip-preview")
    assert "homelab did not clean up s1" in said
    assert re.search(r"Wipe s1 before you use it again", said)
    left = json.loads(lab.session.engine.capture("stack", "export"))["deployment"].get("resources", [])
    assert [each["urn"] for each in left if "homelab:index:Task" in each["urn"]] == []
