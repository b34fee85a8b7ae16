"""How a new version of an app takes over, as its owner describes it."""

from components.app.kinds import Percent, Seconds
from components.fields import Count, Text
from components.model import Model


class AppStepSettings(Model):
    """A step of a new version on its way."""

    weight: Percent
    """Percentage of the pods that have the new version."""
    seconds: Count = 120
    """For how long it stays so."""


class AppCanarySettings(Model):
    """A canary: the new version takes over step by step."""

    steps: tuple[AppStepSettings, ...]
    """Its steps; after the last one all pods have it."""


class AppBlueGreenSettings(Model):
    """Blue and green: all pods of the new version are there, then it takes over at once."""

    keep: Count = 60
    """Seconds for which the old pods stay, to go back to."""


class AppAnalysisSettings(Model):
    """A question to Prometheus. When the answer is bad, the old version comes back."""

    query: Text
    """The question (PromQL)."""
    success: Text = "len(result) == 0 || isNaN(result[0]) || result[0] < 0.05"
    """What is a good answer; `result` is the list of values. Default: none, or less than 0.05."""
    interval: Seconds = 30
    """Seconds between two questions."""
    failures: Count = 1
    """How many bad answers are borne."""
    count: Count = 5
    """How often it is asked before blue and green change; beside a canary it is asked as long as that lasts."""


class AppStrategySettings(Model):
    """How a new version takes over, by exactly one of `canary` and `blueGreen`."""

    canary: AppCanarySettings | None = None
    """Step by step."""
    blue_green: AppBlueGreenSettings | None = None
    """At once, when it is there as a whole."""
    analysis: AppAnalysisSettings | None = None
    """What must hold meanwhile. Default: only that its pods are ready."""
