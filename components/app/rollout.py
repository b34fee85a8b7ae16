"""Update strategy of an app with Argo Rollouts: the strategy field of the Rollout, and the AnalysisTemplate."""

from collections.abc import Iterator

from components.app.objects import metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.app.strategy_settings import AppAnalysisSettings, AppStrategySettings
from components.kubernetes.manifest import Json, Manifest

API_VERSION = "argoproj.io/v1alpha1"
KIND = "Rollout"
WAIT_FOR_HEALTHY = {"pulumi.com/waitFor": "jsonpath={.status.phase}=Healthy"}
"""Annotation that makes Pulumi wait for the first pods. Pulumi does not wait for the rollout of later versions, which
takes longer."""


def strategy(app: AppSettings, settings: AppStrategySettings) -> Json:
    """Return the field `spec.strategy` of the app's Rollout."""
    template = {"templates": [{"templateName": app.name}]} if settings.analysis else {}
    if settings.canary:
        steps: list[Json] = []
        for step in settings.canary.steps:
            steps += [{"setWeight": step.weight}, {"pause": {"duration": f"{step.seconds}s"}}]
        background = {"analysis": template} if template else {}
        return {"canary": {"steps": steps, "maxUnavailable": 0, "maxSurge": "25%", **background}}
    keep = settings.blue_green.keep if settings.blue_green else 0
    pre_promotion = {"prePromotionAnalysis": template} if template else {}
    # without `previewService`, the new version gets no requests before the blue-green switch
    return {"blueGreen": {"activeService": app.name, "scaleDownDelaySeconds": keep, **pre_promotion}}


def analysis(app: AppSettings, platform: AppPlatformOutputs) -> Iterator[Manifest]:
    """Yield the Argo Rollouts AnalysisTemplate of the app if `strategy.analysis` is set."""
    if app.strategy is None or app.strategy.analysis is None:
        return
    metrics = [_metric(app.strategy.analysis, platform, blue_green=app.strategy.blue_green is not None)]
    meta = metadata(app, app.name)
    yield {"apiVersion": API_VERSION, "kind": "AnalysisTemplate", "metadata": meta, "spec": {"metrics": metrics}}


def _metric(settings: AppAnalysisSettings, platform: AppPlatformOutputs, *, blue_green: bool) -> Json:
    return {
        "name": "answer",
        "interval": f"{settings.interval}s",
        "initialDelay": f"{settings.interval}s",
        **({"count": settings.count} if blue_green else {}),
        "successCondition": settings.success,
        "failureLimit": settings.failures,
        "provider": {"prometheus": {"address": platform.metrics_endpoint, "query": settings.query}},
    }
