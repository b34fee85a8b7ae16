"""Settings of an app's update strategy with Argo Rollouts."""

from components.settings.fields import PositiveInt, Text
from components.settings.kubernetes_fields import Percent, Seconds
from components.settings.model import Model


class AppStepSettings(Model):
    """A step of a canary rollout."""

    weight: Percent
    """Percentage of the app's pods that run the new version during this step."""
    seconds: PositiveInt = 120
    """Seconds that Argo Rollouts waits before the next step of the rollout."""


class AppCanarySettings(Model):
    """A canary rollout: the new version replaces the pods step by step."""

    steps: tuple[AppStepSettings, ...]
    """Steps of the rollout. After the last step of the canary rollout, all pods run the new version."""


class AppBlueGreenSettings(Model):
    """A blue-green rollout: when all pods of the new version are ready, the Service switches to the new version at
    once."""

    keep: PositiveInt = 60
    """Seconds for which the old pods keep running after the switch, for a fast rollback."""


class AppAnalysisSettings(Model):
    """A Prometheus query during a rollout. If the query's result does not meet the condition, Argo Rollouts rolls back
    to the old version."""

    query: Text
    """Prometheus query in PromQL."""
    success: Text = "len(result) == 0 || isNaN(result[0]) || result[0] < 0.05"
    """Success condition of the query (successCondition of Argo Rollouts), in which `result` is the list of the query's
    values. Default: the query returns no value, NaN, or a value below 0.05."""
    interval: Seconds = 30
    """Seconds between two Prometheus queries."""
    failures: PositiveInt = 1
    """Number of query results that may violate the condition before Argo Rollouts rolls back (failureLimit)."""
    count: PositiveInt = 5
    """Number of Prometheus queries before Argo Rollouts switches a blue-green rollout to the new version. During a
    canary rollout, Argo Rollouts repeats the query throughout the rollout."""


class AppStrategySettings(Model):
    """Update strategy: exactly one of `canary` and `blueGreen`, with an optional analysis."""

    canary: AppCanarySettings | None = None
    """Canary rollout, which replaces the app's pods with pods of the new version step by step."""
    blue_green: AppBlueGreenSettings | None = None
    """Blue-green rollout, which starts all pods of the new version and then switches all requests to these pods at
    once."""
    analysis: AppAnalysisSettings | None = None
    """Prometheus query whose result decides whether a rollout continues. Default: none, so a rollout continues when the
    new pods are ready."""
