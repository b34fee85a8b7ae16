"""`./homelab changes`: a preview told by machine, layer and app; drift, what is refused, no secret value."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import cli
from operations import changes
from operations.changes import to_markdown

URN = "urn:pulumi:homelab::homelab::"
CLUSTER = "homelab:components:Cluster"
OWNERS = {
    "machine": f"{CLUSTER}$homelab:components:Node",
    "layer": "homelab:components:Platform$homelab:components:Layer",
    "app": "homelab:components:App",
    "": CLUSTER,
}


def step(op: str, place: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    """A step as Pulumi prints it."""
    sort, _, owner = place.partition(" ")
    parent = f"{URN}{OWNERS[sort]}::{owner or 'cluster'}"
    urn = f"{URN}{OWNERS[sort]}${kind}::{name}"
    old, new = ({"urn": urn, "parent": parent, "inputs": more.pop(state, {})} for state in ("old", "new"))
    states = ({"oldState": old} if op != "create" else {}) | ({"newState": new} if op != "delete" else {})
    return {"op": op, "urn": urn, **states, **more}


def task(op: str, machine: str, role: str, **more: Any) -> dict[str, Any]:
    return step(op, f"machine {machine}", "homelab:index:Task", f"{machine}-{role}", **more)


def told(*steps: dict[str, Any], drift_checked: bool = True, **more: Any) -> str:
    return to_markdown({"steps": list(steps), **more}, "Preview", drift_checked=drift_checked)


def test_a_change_is_told_by_what_differs() -> None:
    old = {"variables": {"VERSION": "v1.36.2+k3s1", "CONFIG": "a", "NODE": "pi-1"}, "digest": "1"}
    new = {"variables": {"VERSION": "v1.36.3+k3s1", "CONFIG": "b", "NODE": "pi-1"}, "digest": "2"}
    roll = task("update", "pi-1", "roll", old=old, new=new, diffReasons=["digest", "variables"])
    assert "| machine `pi-1` | changed | `roll (CONFIG, VERSION v1.36.2+k3s1 → v1.36.3+k3s1)` |" in told(roll)


def test_a_chart_is_told_by_its_versions_and_values() -> None:
    old, new = {"version": "41.2.0", "values": {"a": 1, "b": 2}}, {"version": "41.3.0", "values": {"a": 1, "b": 3}}
    release = step("update", "layer traefik", "kubernetes:helm.sh/v3:Release", "traefik-traefik", old=old, new=new)
    assert "| layer `traefik` | changed | `release traefik (b, version 41.2.0 → 41.3.0)` |" in told(release)


def test_no_value_is_told_but_versions() -> None:
    old, new = {"secrets": {"TOKEN": "hunter1"}, "version": "[secret]"}, {"secrets": {"TOKEN": "hunter2"}}
    said = told(task("update", "pi-1", "roll", old=old, new=new))
    assert "hunter" not in said
    assert "| machine `pi-1` | changed | `roll (secrets, version ? → ?)` |" in said


def test_everything_has_its_row_in_order() -> None:
    said = told(
        step("create", "app shop", "kubernetes:apps/v1:Deployment", "shop-web"),
        step("delete", "layer longhorn", "homelab:index:Task", "longhorn-guard"),
        task("create", "b", "join"),
        task("create", "a", "prepare"),
        task("create", "a", "join"),
        step("create", "", "homelab:index:Secret", "cluster-token"),
        task("same", "c", "roll"),
        step("create", "", "pulumi:providers:kubernetes", "cluster"),
    )
    rows = [line for line in said.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        "| cluster | new | `cluster-token` |",
        "| machine `a` | new | `prepare`; `join` |",
        "| machine `b` | new | `join` |",
        "| layer `longhorn` | **deleted** | `guard` |",
        "| app `shop` | new | `deployment web` |",
    ]


def test_components_are_no_change_of_their_own() -> None:
    node = {"op": "create", "urn": f"{URN}{OWNERS['machine']}::a", "newState": {"parent": f"{URN}{CLUSTER}::cluster"}}
    assert "No changes: the lab matches its stack files." in told(node)


def test_drift_is_told_by_machine() -> None:
    given = {"machine": {"name": "pi-2"}, "drift": "config.yaml\ndiffers", "variables": {}}
    said = told(task("update", "pi-2", "roll", new=given, diffReasons=["drift"]))
    assert "**Drift: manual changes on the machines**" in said
    assert "- `pi-2`: `config.yaml differs`" in said
    assert "did not check" not in said


def test_machines_that_were_not_looked_at_are_not_called_unchanged() -> None:
    assert "Pulumi did not check the machines for drift" in told(drift_checked=False)


def test_what_is_refused_comes_first_and_nothing_else_is_promised() -> None:
    problem = {"severity": "error", "message": "error: homelab:cluster.nodes: has 2 servers\n```\n"}
    warning = {"severity": "warning", "message": "a plugin is old"}
    again = problem | {"message": problem["message"].replace("error: ", "error: an unhandled error occurred: ")}
    said = told(task("create", "a", "join"), diagnostics=[warning, problem, again])
    assert said.splitlines()[2] == "**Errors: `pulumi up` would fail and change nothing.**"
    assert said.count("homelab:cluster.nodes: has 2 servers") == 1, "Pulumi says it twice"
    assert "machine `a`" not in said
    assert "plugin" not in said
    assert said.count("````") == 2, "what is said cannot leave its block"


def test_a_comment_is_never_too_long_for_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_TABLE_LENGTH", 300)
    said = told(*(task("create", f"machine-{number}", "join") for number in range(99)))
    assert len(said) < 400
    assert "|\n\n… truncated: see the log.\n" in said


def test_a_row_of_many_changes_says_how_many_more_there_are() -> None:
    said = told(*(task("create", "a", f"task-{number}") for number in range(50)))
    assert "`task-39`; and 10 more |" in said


def run(file: Path, **environment: str) -> Result:
    return CliRunner().invoke(cli.app, ["changes", str(file), "--title", "Here"], env=environment)


def test_the_command_reads_a_file(tmp_path: Path) -> None:
    file = tmp_path / "preview.json"
    file.write_text(json.dumps({"steps": [task("create", "a", "join")]}))
    result = run(file, HOMELAB_DRIFT="off")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("### Here\n\n| Resource | Change | Details |")
    assert "Pulumi did not check the machines for drift" in result.output
    assert "did not check" not in run(file, HOMELAB_DRIFT="on").output


@pytest.mark.parametrize("text", ["", "error: no stack", "[]"])
def test_what_is_no_preview_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "preview.json"
    file.write_text(text)
    result = run(file)
    assert result.exit_code == 1
    assert "is not the output of `pulumi preview --json`" in result.output
