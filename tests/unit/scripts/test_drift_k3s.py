"""The look at what the API server says of a node: labels and taints of ours that are not there any more."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.machine_scripts import FakeMachine

KUBECONFIG = "clusters:\n- cluster:\n    server: https://127.0.0.1:6444\n"


@pytest.fixture
def agent(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"curl": "cat node"})
    fake.file("var/lib/rancher/k3s/agent/kubelet.kubeconfig").write_text(KUBECONFIG)
    fake.file("var/lib/homelab/node").write_text("a1\n")
    return fake


def node(has: dict[str, str], tainted: list[dict[str, str]], **given: str) -> dict[str, Any]:
    """A node as the API server has it: what others wrote looks like ours."""
    fields: dict[str, dict[str, Any]] = {"f:labels": {".": {}, "f:disk": {}}, "f:taints": {}}
    noted = {
        "theirs": json.dumps({"labels": {"disk": "no"}}),
        **{f"homelab/{key}": each for key, each in given.items()},
    }
    metadata = {"name": "a1", "labels": has, "annotations": noted, "managedFields": [{"fieldsV1": fields}]}
    return {"metadata": metadata, "spec": {"podCIDR": "10.42.0.0/24", "taints": tainted}, "status": {}}


def differs(agent: FakeMachine, found: dict[str, Any]) -> list[str]:
    agent.file("node").write_text(json.dumps(found, separators=(",", ":")))
    done = agent.call_function("drift/k3s", "marks")
    assert (done.status, done.errors) == (0, "")
    return done.output.splitlines()


TAINTS = [
    {"key": "only", "value": "me", "effect": "PreferNoSchedule"},
    {"key": "bare", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
]


def test_what_was_given_and_is_there_is_nothing(agent: FakeMachine) -> None:
    has = {"disk": "fast", "example.org/empty": "", "theirs": "x"}
    found = node(has, TAINTS, labels="disk=fast example.org/empty=", taints="only=me:PreferNoSchedule bare:NoExecute")
    assert differs(agent, found) == []


def test_what_was_changed_or_is_gone_is_named(agent: FakeMachine) -> None:
    found = node({"disk": "slow"}, TAINTS[1:], labels="disk=fast room=attic", taints="only=me:PreferNoSchedule")
    assert differs(agent, found) == [
        "label disk=fast was changed or removed",
        "label room=attic was changed or removed",
        "taint only=me:PreferNoSchedule was changed or removed",
    ]


def test_a_node_that_an_unfinished_run_cordoned_is_named(agent: FakeMachine) -> None:
    """Its K3s is as it should be, so nothing else would bring its pods back."""
    assert differs(agent, node({}, [], cordoned="true")) == ["the node is still cordoned by an interrupted run"]


def test_a_node_that_nothing_was_given_has_nothing_to_lose(agent: FakeMachine) -> None:
    assert differs(agent, node({"theirs": "x"}, [])) == []


def test_nothing_is_known_without_the_api(agent: FakeMachine) -> None:
    agent.file("node").unlink(missing_ok=True)
    done = agent.call_function("drift/k3s", "marks")
    assert (done.status, done.output) == (0, "")
    assert done.calls[0].endswith("https://127.0.0.1:6444/api/v1/nodes/a1?pretty=false")
