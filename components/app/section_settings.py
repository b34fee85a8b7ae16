"""Settings of an app stack: the models of `homelab:app` (one app) and `homelab:apps` (several apps)."""

from pydantic import ConfigDict

from components.app.settings import AppSettings
from components.settings.kubernetes_fields import StackName
from components.settings.model import Model, SecretRef


class AppPlatformSettings(Model):
    """Settings that name the platform on which the stack's apps run."""

    platform: StackName
    """Pulumi stack of the platform that runs the app: a stack name in this project, or organization/project/stack."""
    platform_outputs: SecretRef | None = None
    """Pulumi secret that contains the output of `./homelab platform`. Default: none, so homelab reads the outputs of
    the platform's stack through a StackReference."""


class AppSectionSettings(AppSettings, AppPlatformSettings):
    """An app: its containers, ports, hosts, volumes and database."""


class AppsSectionSettings(AppPlatformSettings):
    """Several apps that one Pulumi stack deploys on the same platform."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, AppSettings]
    """Settings of one app: the keys of `homelab:app`, except `platform` and `platformOutputs`. The key `NAME` is the
    name of the app and of the app's namespace."""

    @property
    def apps(self) -> dict[str, AppSettings]:
        """The apps by their key."""
        return dict(self.__pydantic_extra__)
