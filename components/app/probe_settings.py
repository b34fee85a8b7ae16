"""Settings of the probes of an app's pods."""

from typing import Literal

from pydantic import Field

from components.settings.fields import Port, PositiveInt, StrictBool, Text
from components.settings.http_fields import HeaderName, HeaderValue
from components.settings.kubernetes_fields import Seconds, UrlPath
from components.settings.model import Model


class AppProbeSettings(Model):
    """A probe of the app's container: an HTTP request (`path`), a `command`, or a gRPC health check (`grpc`). A probe
    without `path`, `command` and `grpc` opens a TCP connection."""

    path: UrlPath | None = None
    """URL path of an HTTP GET request, which the app must answer with a status from 200 to 399."""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    """Scheme of the HTTP request. With `HTTPS`, Kubernetes does not verify the app's certificate."""
    http_headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict)
    """Headers of the HTTP request (httpHeaders), such as `Host` for an app that answers only requests for its own
    host."""
    command: tuple[Text, ...] = ()
    """Command with arguments, which Kubernetes runs in the container and which must exit with status 0."""
    grpc: StrictBool = False
    """Whether the probe uses the gRPC health checking protocol."""
    port: Port | None = None
    """Port to probe. Default: the app's port."""
    delay: Seconds | None = None
    """Seconds between the start of the container and the first probe (initialDelaySeconds). Default: 0."""
    period: Seconds = 5
    """Seconds between two probes (periodSeconds)."""
    timeout: Seconds = 1
    """Seconds that Kubernetes waits for an answer before the probe fails (timeoutSeconds)."""
    failures: PositiveInt = 3
    """Number of consecutive failures after which the probe counts as failed (failureThreshold)."""


class AppProbesSettings(Model):
    """Probes of the app's pods."""

    readiness: AppProbeSettings = AppProbeSettings()
    """Readiness probe. Until the readiness probe passes, Services send no requests to the pod, and Kubernetes does not
    continue a rollout."""
    liveness: AppProbeSettings | None = None
    """Liveness probe. When the liveness probe fails, Kubernetes restarts the container. Default: none, so Kubernetes
    restarts the container only after its main process has exited."""
    startup: AppProbeSettings | None = None
    """Startup probe for apps that start slowly. Kubernetes runs the other probes only after the startup probe has
    passed. Default: none."""


class AppWorkerProbesSettings(Model):
    """Kubernetes probes of a worker's container. Each probe of a worker needs a `command`, because workers accept no
    connections."""

    readiness: AppProbeSettings | None = None
    """Readiness probe. Kubernetes does not continue a rollout of the worker until the readiness probe of the new pod
    passes. Default: none."""
    liveness: AppProbeSettings | None = None
    """Liveness probe. When the liveness probe fails, Kubernetes restarts the container. Default: none."""
    startup: AppProbeSettings | None = None
    """Startup probe. Kubernetes runs the other probes only after the startup probe has passed. Default: none."""
