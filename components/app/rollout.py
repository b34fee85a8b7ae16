"""How a new version of an app takes over, as Argo Rollouts is told it."""

from collections.abc import Iterator

from components.app.objects import metadata
from components.app.settings import AppSettings
from components.app.strategy_settings import AppAnalysisSettings, AppStrategySettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree

API = "argoproj.io/v1alpha1"
KIND = "Rollout"
AWAITED = {"pulumi.com/waitFor": "jsonpath={.status.phase}=Healthy"}
"""Annotation by which its first pods are awaited. Later versions take longer than an `up` waits."""


def strategy(app: AppSettings, given: AppStrategySettings) -> Tree:
    """Return the strategy of a Rollout."""
    asked = {"templates": [{"templateName": app.name}]} if given.analysis else {}
    if given.canary:
        steps: list[Tree] = []
        for step in given.canary.steps:
            steps += [{"setWeight": step.weight}, {"pause": {"duration": f"{step.seconds}s"}}]
        beside = {"analysis": asked} if asked else {}
        return {"canary": {"steps": steps, "maxUnavailable": 0, "maxSurge": "25%", **beside}}
    keep = given.blue_green.keep if given.blue_green else 0
    before = {"prePromotionAnalysis": asked} if asked else {}
    # without a second Service, nothing reaches the new version before it takes over
    return {"blueGreen": {"activeService": app.name, "scaleDownDelaySeconds": keep, **before}}


def analysis(app: AppSettings, platform: Surroundings) -> Iterator[Manifest]:
    """Yield what is asked meanwhile, if something is."""
    if app.strategy is None or app.strategy.analysis is None:
        return
    metrics = [_metric(app.strategy, app.strategy.analysis, platform)]
    meta = metadata(app, app.name)
    yield {"apiVersion": API, "kind": "AnalysisTemplate", "metadata": meta, "spec": {"metrics": metrics}}


def _metric(given: AppStrategySettings, asked: AppAnalysisSettings, platform: Surroundings) -> Tree:
    return {
        "name": "answer",
        "interval": f"{asked.interval}s",
        "initialDelay": f"{asked.interval}s",
        **({"count": asked.count} if given.blue_green else {}),
        "successCondition": asked.success,
        "failureLimit": asked.failures,
        "provider": {"prometheus": {"address": platform.metrics_endpoint, "query": asked.query}},
    }
