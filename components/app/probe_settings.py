"""Settings of the probes of an app's pods."""

from components.settings.fields import Port, PositiveInt, StrictBool, Text
from components.settings.kubernetes_fields import Seconds, UrlPath
from components.settings.model import Model


class AppProbeSettings(Model):
    """A probe by one of `path`, `command` and `grpc`. With none of `path`, `command` and `grpc`, the probe opens a TCP
    connection."""

    path: UrlPath | None = None
    """Path that must answer an HTTP GET request with a status from 200 to 399."""
    command: tuple[Text, ...] = ()
    """Command with arguments that must exit with status 0 in the container."""
    grpc: StrictBool = False
    """Whether to probe the gRPC health service."""
    port: Port | None = None
    """Port to probe. Default: the app's port."""
    delay: Seconds | None = None
    """Seconds before the first probe (initialDelaySeconds). Default: 0."""
    period: Seconds = 5
    """Seconds between two probes (periodSeconds)."""
    timeout: Seconds = 1
    """Seconds after which a probe fails (timeoutSeconds)."""
    failures: PositiveInt = 3
    """Consecutive failures after which the pod counts as failed (failureThreshold)."""


class AppProbesSettings(Model):
    """Probes of the app's pods."""

    readiness: AppProbeSettings = AppProbeSettings()
    """Readiness probe. Until the readiness probe passes, Services send no requests to the pod, and a rollout does not
    continue."""
    liveness: AppProbeSettings | None = None
    """Liveness probe. When the liveness probe fails, Kubernetes restarts the container. Default: none, so only an exit
    of the process restarts the container."""
    startup: AppProbeSettings | None = None
    """Startup probe for apps that start slowly. The other probes start after the startup probe has passed. Default:
    none."""


class AppWorkerProbesSettings(Model):
    """Probes of a worker's container. Each probe needs a `command`, because a worker accepts no connections."""

    readiness: AppProbeSettings | None = None
    """Readiness probe. A rollout of the worker does not continue until the probe passes. Default: none."""
    liveness: AppProbeSettings | None = None
    """Liveness probe. When the probe fails, Kubernetes restarts the container. Default: none."""
    startup: AppProbeSettings | None = None
    """Startup probe. The other probes start after the startup probe has passed. Default: none."""
