"""Settings of an app's update strategy with Argo Rollouts."""

from components.settings.fields import PositiveInt, Text
from components.settings.kubernetes_fields import Percent, Seconds
from components.settings.model import Model


class AppStepSettings(Model):
    """A step of a canary rollout."""

    weight: Percent
    """Percentage of the pods that run the new version."""
    seconds: PositiveInt = 120
    """Seconds before the next step."""


class AppCanarySettings(Model):
    """A canary rollout: the new version replaces the pods step by step."""

    steps: tuple[AppStepSettings, ...]
    """Steps of the rollout. After the last step, all pods run the new version."""


class AppBlueGreenSettings(Model):
    """A blue-green rollout: when all pods of the new version are ready, the Service switches to the new version at
    once."""

    keep: PositiveInt = 60
    """Seconds for which the old pods are retained after the switch, for a fast rollback."""


class AppAnalysisSettings(Model):
    """A Prometheus query during a rollout. If the query's result does not meet the condition, Argo Rollouts rolls back
    to the old version."""

    query: Text
    """Query in PromQL."""
    success: Text = "len(result) == 0 || isNaN(result[0]) || result[0] < 0.05"
    """Condition for success, in which `result` is the list of values from the query. Default: the query returns no
    value, or a value below 0.05."""
    interval: Seconds = 30
    """Seconds between two queries."""
    failures: PositiveInt = 1
    """Number of queries that may fail without a rollback."""
    count: PositiveInt = 5
    """Number of queries before a blue-green switch. During a canary rollout, the query repeats until the end of the
    rollout."""


class AppStrategySettings(Model):
    """Update strategy: exactly one of `canary` and `blueGreen`, with an optional analysis."""

    canary: AppCanarySettings | None = None
    """Canary rollout, which replaces the pods step by step."""
    blue_green: AppBlueGreenSettings | None = None
    """Blue-green rollout, which starts all new pods and then switches all requests to the new pods at once."""
    analysis: AppAnalysisSettings | None = None
    """Query that must succeed during the rollout. Default: none, so the new pods must only become ready."""
