"""The stack of an app: the app on the platform of another stack."""

from functools import partial

import pulumi

from components.app import place
from components.app.checks import in_clear
from components.app.component import App
from components.app.security import level, reasons
from components.app.settings import AppSettings
from components.app.surroundings import needs
from stacks.outputs import PlatformOutputs
from stacks.settings import AppStack


def deploy() -> None:
    """Read the configuration whole and what the platform gives, then describe the app."""
    settings = AppStack.load().app
    if more := ", ".join(setting for setting, _ in reasons(settings)):
        pulumi.log.info(f"namespace {settings.name} has the Pod Security level {level(settings)}, for its {more}")
    for name in in_clear(settings):
        pulumi.log.warn(f"homelab:app.environment.{name} looks like a secret in clear: it belongs under secrets")
    app = App(settings, _platform(settings))
    pulumi.export("namespace", settings.name)
    pulumi.export("podSecurity", level(settings))
    pulumi.export("urls", app.urls)


def _platform(app: AppSettings) -> PlatformOutputs:
    """What the app may know of its platform: out of a secret of its own, or of the platform's stack."""
    if app.platform_outputs:
        given = PlatformOutputs.of_text(app.platform_outputs.resolve(), app.platform)
        renew = "ask for what `./homelab platform` prints now"
    else:
        given = PlatformOutputs.of(pulumi.StackReference(full_name(app.platform)))
        renew = "run `pulumi up` on that stack"
    return given.needing(list(needs(app)), partial(place.lacking, app), app.platform, renew)


def full_name(stack: str) -> str:
    """Return the name of a stack with organization and project; those of the running one where it has none."""
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
