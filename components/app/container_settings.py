"""Settings of an app's additional containers: sidecars, init containers, jobs and workers."""

from typing import Literal

from pydantic import Field

from components.app.probe_settings import AppWorkerProbesSettings
from components.settings.fields import DnsLabel, PositiveInt, Schedule, Text
from components.settings.kubernetes_fields import Cpu, EnvName, Image, MultilineText, Seconds, Size, TimeZone
from components.settings.model import Model


class AppContainerSettings(Model):
    """Settings of an additional container, which inherits the app's permissions, environment variables, secrets and
    files. They override the settings that the container inherits from the app."""

    image: Image | None = None
    """Image of the container. Default: the app's image."""
    command: tuple[MultilineText, ...] = ()
    """Command to run. Default: the image's entrypoint."""
    args: tuple[MultilineText, ...] = ()
    """Arguments of the command. Default: the image's arguments."""
    environment: dict[EnvName, MultilineText] = Field(default_factory=dict)
    """Environment variables of the container, in addition to the app's `environment`. A variable of the container
    overrides the app's variable of the same name."""
    cpu: Cpu | None = None
    """CPU request of the container. Default: the app's `cpu`."""
    memory: Size | None = None
    """Memory request and limit of the container. Default: the app's `memory`."""

    @property
    def mounted_volumes(self) -> tuple[str, ...]:
        """Names of the app's volumes that a Job or worker mounts into the container."""
        return ()


class AppCronSettings(AppContainerSettings):
    """A CronJob of the app."""

    schedule: Schedule
    """Start times of the CronJob's Jobs: a cron schedule with five fields."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule. Default: the time zone of the cluster's servers, usually UTC."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """concurrencyPolicy of the CronJob, for a Job that is due while the previous Job still runs: `Allow` runs both
    Jobs, `Forbid` skips the new Job, `Replace` stops the previous Job."""
    deadline: PositiveInt | None = None
    """Seconds after which Kubernetes stops a Job of the CronJob (activeDeadlineSeconds). Default: never."""
    volumes: tuple[DnsLabel, ...] = ()
    """Names of the app's volumes that each pod of the CronJob mounts. Default: none."""

    @property
    def mounted_volumes(self) -> tuple[str, ...]:
        """Names of the app's volumes that a Job mounts into the container."""
        return self.volumes


class AppWorkerSettings(AppContainerSettings):
    """A worker of the app, such as a queue worker or a scheduler: a Deployment without Service and Ingress."""

    replicas: PositiveInt = 1
    """Number of the worker's replicas, which Kubernetes spreads over the nodes."""
    volumes: tuple[DnsLabel, ...] = ()
    """Names of the app's volumes that each pod of the worker mounts. homelab refuses volumes that only one pod can
    mount. Default: none."""
    probes: AppWorkerProbesSettings = AppWorkerProbesSettings()
    """Probes of the worker's container, each with a `command`. Default: none."""
    strategy: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    """Deployment strategy: `RollingUpdate` starts new pods before Kubernetes stops the old pods, `Recreate` stops all
    old pods first. Set `Recreate` for a worker of which two pods must never run at once, such as a scheduler."""
    grace_period: Seconds | None = None
    """Seconds that a pod of the worker has to terminate before Kubernetes kills the pod
    (terminationGracePeriodSeconds). Default: the app's setting `gracePeriod`."""
    stop: tuple[Text, ...] = ()
    """Command of the preStop hook, which runs before SIGTERM. Default: none."""

    @property
    def mounted_volumes(self) -> tuple[str, ...]:
        """Names of the app's volumes that each pod of the worker mounts."""
        return self.volumes
