"""The probes of an app's pods, as its owner describes them."""

from components.app.kinds import Seconds, UrlPath
from components.fields import Count, Port, Switch, Text
from components.model import Model


class AppProbeSettings(Model):
    """A probe by one of `path`, `command` and `grpc`. Without them it opens a TCP connection."""

    path: UrlPath | None = None
    """Path that must answer HTTP GET with a status from 200 to 399."""
    command: tuple[Text, ...] = ()
    """Program and arguments that must exit with 0 in the container."""
    grpc: Switch = False
    """Whether gRPC's health service must answer."""
    port: Port | None = None
    """Port to probe. Default: the app's port."""
    delay: Seconds | None = None
    """Seconds before the first probe (initialDelaySeconds). Default: 0."""
    period: Seconds = 5
    """Seconds between two probes (periodSeconds)."""
    timeout: Seconds = 1
    """Seconds after which a probe fails (timeoutSeconds)."""
    failures: Count = 3
    """Failures in a row after which the pod counts as failed (failureThreshold)."""


class AppProbesSettings(Model):
    """Probes of the app's pods."""

    readiness: AppProbeSettings = AppProbeSettings()
    """Until it passes, Services send the pod no requests, and a rollout does not go on."""
    liveness: AppProbeSettings | None = None
    """When it fails, Kubernetes restarts the container. Default: none; only the end of its program restarts it."""
    startup: AppProbeSettings | None = None
    """The other probes begin when it has passed, for apps that start slowly. Default: none."""
