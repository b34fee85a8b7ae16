"""Settings of an app's autoscaling."""

from components.settings.fields import PositiveInt
from components.settings.kubernetes_fields import Percent
from components.settings.model import Model


class AppAutoscalingSettings(Model):
    """Scaling of the app's pods by their CPU usage (HorizontalPodAutoscaler)."""

    min: PositiveInt = 3
    """Minimum number of pods."""
    max: PositiveInt
    """Maximum number of pods."""
    cpu: Percent = 80
    """Target for the average CPU usage of the pods, in percent of their CPU request."""
