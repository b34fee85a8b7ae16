"""On which machines an app runs, and how its pods live and end there."""

import gc
from typing import Any

import pulumi
import pytest

from components.app import placement
from stacks.settings import AppStack
from tests.support.app_stacks import OUTPUTS, pod_spec, run_fixture
from tests.support.settings_fixtures import ROOT

HERE: dict[str, Any] = {"volumes": {}, "arch": None, "nodes": {}, "tolerations": []}


def lacking(**changes: Any) -> list[tuple[str, str]]:
    settings = AppStack.read(ROOT / "tests/settings/apps/home.yaml").app
    raw = settings.model_dump(by_alias=True, exclude_unset=True) | HERE | changes
    return [
        (key, reason) for key, reason, _ in placement.unsatisfied(type(settings).model_validate(raw), OUTPUTS["nodes"])
    ]


def test_where_a_pod_runs() -> None:
    found = pod_spec(run_fixture("home"), "home")
    assert found["nodeSelector"] == {
        "storage": "true", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": "d",
    }  # fmt: skip
    assert found["tolerations"] == [
        {"key": "dedicated", "operator": "Equal", "value": "storage", "effect": "NoSchedule"}
    ]
    (any_value,) = pod_spec(run_fixture("home", tolerations=["dedicated:NoSchedule"]), "home")["tolerations"]
    assert any_value == {"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}
    assert not {"nodeSelector", "tolerations"} & pod_spec(run_fixture("shop-dev"), "shop-dev").keys()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"arch": "arm64"},
        {"arch": "amd64", "tolerations": ["dedicated:NoSchedule"]},
        {"nodes": {"storage": "true"}, "tolerations": ["dedicated=storage:NoSchedule"]},
        {"nodes": {"kubernetes.io/hostname": "a", "node-role.kubernetes.io/control-plane": "true"}},
    ],
)
def test_a_machine_that_fits_is_found(changes: dict[str, Any]) -> None:
    assert lacking(**changes) == []


A, B = "a lacks the label", "b lacks the label"
TAINT = "d has the taint dedicated=storage:NoSchedule"


@pytest.mark.parametrize(
    ("changes", "key", "reason"),
    [
        ({"arch": "amd64"}, "arch", f"a is arm64, b is arm64, {TAINT}"),
        ({"nodes": {"storage": "true"}}, "nodes", f"{A} storage=true, {B} storage=true, {TAINT}"),
        (
            {"nodes": {"disk": "ssd"}, "arch": "arm"},
            "arch",
            f"{A} disk=ssd, b is arm64, d lacks the label disk=ssd",
        ),
    ],
)
def test_none_that_fits_is_said_machine_by_machine(changes: dict[str, Any], key: str, reason: str) -> None:
    assert lacking(**changes) == [(key, f"fits no node of the platform: {reason}")]


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"volumes": {"disk": {"path": "/disk", "hostPath": {"node": "nas", "path": "/srv"}}}},
            r"volumes\.disk\.hostPath\.node: is not a node of the platform; use one of: a, b, d",
        ),
        ({"arch": "arm"}, r"arch: fits no node of the platform: a is arm64, .* nodes, or change cluster\.nodes"),
    ],
)
def test_nothing_is_touched_where_no_machine_fits(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(
        pulumi.RunError,
        match=rf"does not meet the needs of this app stack; no changes were made:\n  homelab:app\.{line}",
    ):
        run_fixture("home", **HERE | changes)
    gc.collect()


def test_of_a_platform_that_says_less_nothing_is_asked() -> None:
    nodes = [{"name": each["name"], "role": each["role"], "address": each["address"]} for each in OUTPUTS["nodes"]]
    run_fixture("shop-dev", nodes={"storage": "true"}, outputs=OUTPUTS | {"nodes": nodes})


def test_questions() -> None:
    container = pod_spec(run_fixture("home"), "home")["containers"][0]
    assert container["readinessProbe"] == {
        "grpc": {"port": 8080}, "initialDelaySeconds": 5, "timeoutSeconds": 3, "periodSeconds": 5,
        "failureThreshold": 3,
    }  # fmt: skip
    assert container["livenessProbe"] == {
        "exec": {"command": ["/bin/check", "--quick"]}, "periodSeconds": 10, "failureThreshold": 3,
    }  # fmt: skip


def test_the_end_of_a_pod() -> None:
    found = pod_spec(run_fixture("home"), "home")
    assert found["terminationGracePeriodSeconds"] == 120
    assert found["containers"][0]["lifecycle"] == {"preStop": {"exec": {"command": ["/bin/save"]}}}
    plain = pod_spec(run_fixture("shop-dev"), "shop-dev")
    assert "terminationGracePeriodSeconds" not in plain
    assert plain["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_shared_memory() -> None:
    found = pod_spec(run_fixture("home"), "home")
    (volume,) = (each for each in found["volumes"] if each["name"] == "shared-memory")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Mi"}
    paths = {each["name"]: each["mountPath"] for each in found["containers"][0]["volumeMounts"]}
    assert paths["shared-memory"] == "/dev/shm"


def test_constraints_replace_the_default_spread() -> None:
    found = pod_spec(run_fixture("cache"), "cache")["topologySpreadConstraints"]
    assert [(each["topologyKey"], each["maxSkew"], each["whenUnsatisfiable"]) for each in found] == [
        ("disk", 2, "ScheduleAnyway"), ("kubernetes.io/hostname", 1, "DoNotSchedule"),
    ]  # fmt: skip
    assert {str(each["labelSelector"]) for each in found} == {str({"matchLabels": {"app.kubernetes.io/name": "cache"}})}


def test_a_required_topology_label_that_no_node_has_is_reported() -> None:
    zone = {"topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
    ((key, reason),) = lacking(topologySpreadConstraints=[zone])
    assert key == "topologySpreadConstraints"
    assert "a lacks the label topology.kubernetes.io/zone of topologySpreadConstraints" in reason
    assert lacking(topologySpreadConstraints=[zone | {"whenUnsatisfiable": "ScheduleAnyway"}]) == []
