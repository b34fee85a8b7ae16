"""Settings of an app's additional containers: sidecars, init containers, jobs and workers."""

from typing import Literal

from pydantic import Field

from components.app.probe_settings import AppWorkerProbesSettings
from components.settings.fields import DnsLabel, PositiveInt, Schedule, Text
from components.settings.kubernetes_fields import Cpu, EnvName, Image, MultilineText, Seconds, Size, TimeZone
from components.settings.model import Model


class AppContainerSettings(Model):
    """Additional container that inherits the app's permissions, variables, secrets and files. Settings of the
    additional container override inherited settings."""

    image: Image | None = None
    """Image of the container. Default: the app's image."""
    command: tuple[MultilineText, ...] = ()
    """Command to run. Default: the image's entrypoint."""
    args: tuple[MultilineText, ...] = ()
    """Arguments of the command. Default: the image's arguments."""
    environment: dict[EnvName, MultilineText] = Field(default_factory=dict)
    """Environment variables in addition to the app's `environment`. Variables of the same name override the app's
    variables."""
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
    """Start times of the job: a cron schedule with five fields."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule. Default: the servers' time zone, usually UTC."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """Policy for a job that is due while the previous job still runs: `Allow` runs both jobs, `Forbid` skips the new
    job, `Replace` stops the previous job."""
    deadline: PositiveInt | None = None
    """Seconds after which Kubernetes stops a job (activeDeadlineSeconds). Default: never."""
    volumes: tuple[DnsLabel, ...] = ()
    """Names of the app's volumes that the job mounts. Default: none."""

    @property
    def mounted_volumes(self) -> tuple[str, ...]:
        """Names of the app's volumes that a Job mounts into the container."""
        return self.volumes


class AppWorkerSettings(AppContainerSettings):
    """A Deployment of the app without Service and Ingress, such as a queue worker or a scheduler."""

    replicas: PositiveInt = 1
    """Number of pods of the worker, spread over the nodes."""
    volumes: tuple[DnsLabel, ...] = ()
    """Names of the app's volumes that each pod of the worker mounts. Volumes for a single pod are refused. Default:
    none."""
    probes: AppWorkerProbesSettings = AppWorkerProbesSettings()
    """Probes of the worker's container, each with a `command`. Default: none."""
    strategy: Literal["RollingUpdate", "Recreate"] = "RollingUpdate"
    """Deployment strategy: `RollingUpdate` starts new pods before Kubernetes stops the old pods, `Recreate` stops all
    old pods first. A scheduler that must not run twice needs `Recreate`."""
    grace_period: Seconds | None = None
    """Seconds that a pod of the worker has to terminate before Kubernetes kills the pod
    (terminationGracePeriodSeconds). Default: the app's `gracePeriod`."""
    stop: tuple[Text, ...] = ()
    """Command of the preStop hook, which runs before SIGTERM. Default: none."""

    @property
    def mounted_volumes(self) -> tuple[str, ...]:
        """Names of the app's volumes that each pod of the worker mounts."""
        return self.volumes
