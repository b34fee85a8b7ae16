"""How new versions of an app take over, as Argo Rollouts is told it."""

import gc
from typing import Any

import pulumi
import pytest

from stacks.settings import AppStack, SettingsError
from tests.contracts import upstream
from tests.contracts.schemas import Validator
from tests.support.app_samples import whole
from tests.support.app_stacks import OUTPUTS, SAMPLE_APP, objects, outputs_without, run_app, run_fixture
from tests.support.recorder import Recording

ASKED = {"query": "up"}
CANARY = {"steps": [{"weight": 25}]}


@pytest.fixture(scope="module")
def canary() -> Recording:
    return run_fixture("shop-staging")


def rollout(recording: Recording) -> Any:
    return objects(recording)["Rollout/shop-staging"]


def test_a_canary_goes_on_step_by_step_and_is_asked_about_meanwhile(canary: Recording) -> None:
    found = rollout(canary)
    assert found["spec"]["strategy"]["canary"] == {
        "steps": [{"setWeight": 50}, {"pause": {"duration": "300s"}}],
        "maxUnavailable": 0,
        "maxSurge": "25%",
        "analysis": {"templates": [{"templateName": "shop-staging"}]},
    }
    (metric,) = objects(canary)["AnalysisTemplate/shop-staging"]["spec"]["metrics"]
    assert metric["provider"]["prometheus"]["address"] == OUTPUTS["metricsEndpoint"]
    assert (metric["interval"], metric["failureLimit"], metric["successCondition"]) == ("60s", 2, "result[0] < 1")
    assert "count" not in metric, "it lasts as long as the canary"
    assert not any(key.startswith("Deployment/") for key in objects(canary))


def test_blue_and_green_change_behind_the_service() -> None:
    found = run_fixture("shop-staging", strategy={"blueGreen": {"keep": 30}, "analysis": ASKED})
    assert rollout(found)["spec"]["strategy"]["blueGreen"] == {
        "activeService": "shop-staging",
        "scaleDownDelaySeconds": 30,
        "prePromotionAnalysis": {"templates": [{"templateName": "shop-staging"}]},
    }
    assert "Service/shop-staging" in objects(found)
    (metric,) = objects(found)["AnalysisTemplate/shop-staging"]["spec"]["metrics"]
    assert metric["count"] == 5


def test_nothing_is_asked_without_an_analysis() -> None:
    found = run_fixture("shop-staging", strategy={"canary": CANARY}, outputs=outputs_without("metricsEndpoint"))
    assert "analysis" not in rollout(found)["spec"]["strategy"]["canary"]
    assert not any(key.startswith("AnalysisTemplate/") for key in objects(found))


def test_an_autoscaler_changes_the_rollout(canary: Recording) -> None:
    assert rollout(canary)["spec"]["replicas"] == 2
    found = run_app(SAMPLE_APP, strategy={"canary": CANARY}, autoscaling={"max": 5})
    target = objects(found)["HorizontalPodAutoscaler/shop"]["spec"]["scaleTargetRef"]
    assert target == {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "shop"}


def test_blue_and_green_fit_the_crd() -> None:
    found = rollout(run_fixture("shop-staging", strategy={"blueGreen": {}, "analysis": ASKED}))
    upstream.need({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"})
    schema = upstream.object_schema("argoproj.io/v1alpha1", "Rollout")
    assert list(Validator(schema["properties"]["spec"], closed=True).problems(whole(found["spec"]))) == []


@pytest.mark.filterwarnings("ignore:coroutine 'Output", "ignore:coroutine 'Resource")
@pytest.mark.parametrize(
    ("lacking", "line"),
    [
        ("rollouts", "strategy: needs homelab:platform.argoRollouts, which does not provide rollouts"),
        (
            "metricsEndpoint",
            r"strategy\.analysis: needs homelab:platform.monitoring, which does not provide metricsEnd",
        ),
    ],
)
def test_what_the_platform_lacks_is_named(lacking: str, line: str) -> None:
    with pytest.raises(pulumi.RunError, match=line):
        run_fixture("shop-staging", outputs=outputs_without(lacking))
    gc.collect()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"strategy": {}}, "strategy: needs exactly one of canary and blueGreen; add one, or keep one of them"),
        (
            {"strategy": {"canary": CANARY, "blueGreen": {}}},
            "strategy: needs exactly one of canary and blueGreen; add one, or keep one of them",
        ),
        (
            {"strategy": {"canary": CANARY}, "volumes": {"data": {"path": "/data", "size": "1Gi"}}},
            "strategy: has no effect: volumes that are not shared require a StatefulSet; share",
        ),
        (
            {"strategy": {"canary": {"steps": [{"weight": 50}, {"weight": 20}]}}},
            "strategy.canary.steps: must have increasing weights; give each step more weight than the step before it",
        ),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        AppStack.parse({"app": {"platform": "lab", "image": "shop:1", **changes}}, set(), "shop")
    found = str(caught.value).splitlines()
    assert [each for each in found if each.startswith(f"homelab:app.{line}")], found
