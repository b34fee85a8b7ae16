"""How one asks whether the pods of an app are well, as its owner describes it."""

from components.app.kinds import Seconds, UrlPath
from components.fields import Count, Port, Switch, Text
from components.model import Model


class AppProbeSettings(Model):
    """How one asks whether a pod is well: by one of `path`, `command` and `grpc`, else by a connection (TCP)."""

    path: UrlPath | None = None
    """What must answer with a status from 200 to 399."""
    command: tuple[Text, ...] = ()
    """What must end with 0 in the container, the program and its arguments."""
    grpc: Switch = False
    """Whether gRPC's health service must answer."""
    port: Port | None = None
    """Where. Default: the app's port."""
    delay: Seconds | None = None
    """Seconds until it is asked for the first time. Default: none."""
    period: Seconds = 5
    """Seconds between two questions."""
    timeout: Seconds = 1
    """Seconds that an answer may take."""
    failures: Count = 3
    """How many wrong answers in a row count."""


class AppProbesSettings(Model):
    """Probes of the app's pods."""

    readiness: AppProbeSettings = AppProbeSettings()
    """Until it passes, nothing is sent to the pod, and a new version goes no further."""
    liveness: AppProbeSettings | None = None
    """When it fails, the pod is started anew. Default: only when its program ends."""
    startup: AppProbeSettings | None = None
    """The others begin when it has passed, for apps that start slowly. Default: none."""
