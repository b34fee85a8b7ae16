"""Pulumi program of an app stack, which deploys one app on the platform of a lab stack."""

from functools import partial

import pulumi

from components.app import placement
from components.app.component import App
from components.app.requirements import required_outputs
from components.app.security import level, level_requirements
from components.app.settings import AppSettings
from components.app.validation import plaintext_secrets
from stacks.outputs import PlatformOutputs
from stacks.settings import AppStack


def deploy() -> None:
    """Deploy the app: read and check its settings and the platform's outputs, and declare its Pulumi resources."""
    settings = AppStack.load().app
    if causes := ", ".join(setting for setting, _ in level_requirements(settings)):
        pulumi.log.info(
            f"namespace {settings.name} has the Pod Security level {level(settings)} because of the app's {causes}"
        )
    for name in plaintext_secrets(settings):
        pulumi.log.warn(
            f"homelab:app.environment.{name} looks like a secret in clear text: move the variable to app.secrets"
        )
    app = App(settings, _platform(settings))
    pulumi.export("namespace", settings.name)
    pulumi.export("podSecurity", level(settings))
    pulumi.export("urls", app.urls)


def _platform(app: AppSettings) -> PlatformOutputs:
    """Read the platform's outputs from the secret in `platformOutputs` if set, otherwise from the platform's stack."""
    if app.platform_outputs:
        outputs = PlatformOutputs.of_text(app.platform_outputs.resolve(), app.platform)
        renew = "store the current output of `./homelab platform` in the secret of platformOutputs"
    else:
        outputs = PlatformOutputs.of_stack(pulumi.StackReference(full_name(app.platform)))
        renew = "run `pulumi up` on that stack"
    return outputs.require(list(required_outputs(app)), partial(placement.unsatisfied, app), app.platform, renew)


def full_name(stack: str) -> str:
    """Return a stack's full name.

    A name without organization and project refers to a stack in the organization and project of the running stack.
    """
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
