"""Containers of an app beside its own, as its owner describes them."""

from typing import Literal

from pydantic import Field

from components.app.kinds import Cpu, EnvName, Image, Lines, Size, TimeZone
from components.fields import Count, HostLabel, Schedule, Text
from components.model import Model


class AppContainerSettings(Model):
    """A container that has the rights, variables, secrets and files of the app, and says what differs."""

    image: Image | None = None
    """What runs. Default: the app's image."""
    command: tuple[Text, ...] = ()
    """Program to run. Default: that of the image."""
    args: tuple[Text, ...] = ()
    """Its arguments. Default: those of the image."""
    environment: dict[EnvName, Lines] = Field(default_factory=dict)
    """Environment variables beside those of the app, or with another value."""
    cpu: Cpu | None = None
    """Processor time that it is promised. Default: as the app's."""
    memory: Size | None = None
    """Its memory. Default: as the app's."""

    @property
    def mounted(self) -> tuple[str, ...]:
        """Volumes of the app that it has in a pod of its own."""
        return ()


class AppCronSettings(AppContainerSettings):
    """Something that runs by a schedule, in a pod of its own (a CronJob)."""

    schedule: Schedule
    """When it begins: cron with five fields."""
    time_zone: TimeZone | None = None
    """Time zone of the schedule. Default: that of the machines with the control plane, most often UTC."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """What happens when the last one still runs: both run, the new one is left out, or it replaces the old one."""
    deadline: Count | None = None
    """Seconds after which it is ended. Default: never."""
    volumes: tuple[HostLabel, ...] = ()
    """Volumes of the app that it has too. Default: none."""

    @property
    def mounted(self) -> tuple[str, ...]:
        """Volumes of the app that it has in a pod of its own."""
        return self.volumes
