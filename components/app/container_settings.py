"""Containers of an app beside its own, as its owner describes them."""

from typing import Literal

from pydantic import Field

from components.app.kinds import Cpu, EnvName, Image, Lines, Size, TimeZone
from components.fields import Count, HostLabel, Schedule, Text
from components.model import Model


class AppContainerSettings(Model):
    """A container with the rights, variables, secrets and files of the app; its keys say what differs."""

    image: Image | None = None
    """Its image. Default: the app's."""
    command: tuple[Text, ...] = ()
    """Program to run. Default: that of the image."""
    args: tuple[Text, ...] = ()
    """Its arguments. Default: those of the image."""
    environment: dict[EnvName, Lines] = Field(default_factory=dict)
    """Environment variables beside those of the app's `environment`, or instead of them."""
    cpu: Cpu | None = None
    """CPU request. Default: the app's."""
    memory: Size | None = None
    """Memory request and limit. Default: the app's."""

    @property
    def mounted(self) -> tuple[str, ...]:
        """Volumes of the app that it has in a pod of its own."""
        return ()


class AppCronSettings(AppContainerSettings):
    """A CronJob of the app."""

    schedule: Schedule
    """When it starts: cron with five fields."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule. Default: that of the servers, most often UTC."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """If the last job still runs: `Allow` runs both, `Forbid` skips the new one, `Replace` ends the old one."""
    deadline: Count | None = None
    """Seconds after which Kubernetes ends a job. Default: never."""
    volumes: tuple[HostLabel, ...] = ()
    """Volumes of the app that it mounts. Default: none."""

    @property
    def mounted(self) -> tuple[str, ...]:
        """Volumes of the app that it has in a pod of its own."""
        return self.volumes
