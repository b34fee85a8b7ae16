"""The stack of an app: the app on the platform of another stack."""

import pulumi

from components.app.component import App
from components.app.surroundings import needs
from stacks.outputs import PlatformOutputs
from stacks.settings import AppStack


def deploy() -> None:
    """Read the configuration whole and what the platform gives, then describe the app."""
    settings = AppStack.load().app
    stack = pulumi.StackReference(full_name(settings.platform))
    platform = PlatformOutputs.of(stack).needing(list(needs(settings)), settings.platform)
    app = App(settings, platform)
    pulumi.export("namespace", settings.name)
    pulumi.export("urls", app.urls)


def full_name(stack: str) -> str:
    """Return the name of a stack with organization and project; those of the running one where it has none."""
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
