"""Pulumi program of an app stack, which deploys one or several apps on the platform that another Pulumi stack
manages."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pulumi

from components.app import host_network, hosts, placement
from components.app.component import App, create_provider
from components.app.connections import open_egress
from components.app.requirements import RequiredOutput, required_outputs
from components.app.security import level, level_requirements
from components.app.settings import AppSettings
from components.app.validation import plaintext_secrets
from components.settings.model import NAMESPACE
from stacks.catalog import APP_IMAGES
from stacks.outputs import PlatformOutputs
from stacks.settings import AppStack


def deploy() -> None:
    """Deploy the stack's apps: read and check their settings and the platform's outputs, and declare the apps' Pulumi
    resources."""
    stack = AppStack.load()
    for path, settings in stack.apps.items():
        _report(path, settings)
    platform = _platform(stack)
    if stack.has_several_apps:
        provider = create_provider(_without_single_app(platform))
        apps = open_egress(stack.apps)
        outputs = {
            app.name: _outputs(app, App(app, platform, path, provider, images=APP_IMAGES)) for path, app in apps.items()
        }
        pulumi.export("apps", outputs)
    else:
        app = App(stack.app, platform, stack.section_path, images=APP_IMAGES)
        for name, value in _outputs(stack.app, app).items():
            pulumi.export(name, value)


def _report(path: str, settings: AppSettings) -> None:
    if causes := ", ".join(setting for setting, _ in level_requirements(settings)):
        pulumi.log.info(
            f"namespace {settings.name} has the Pod Security level {level(settings)} because of the app's {causes}"
        )
    for name in plaintext_secrets(settings):
        reason = f"{path}.environment.{name} looks like a secret in clear text"
        pulumi.log.warn(f"{reason}: move the variable to {path.rpartition(':')[2]}.secrets")
    for warning in host_network.warnings(settings):
        pulumi.log.warn(f"{path}.{warning}")


def _outputs(settings: AppSettings, app: App) -> dict[str, Any]:
    return {"namespace": settings.name, "podSecurity": level(settings), "urls": app.urls}


def _platform(stack: AppStack) -> PlatformOutputs:
    """Read the platform's outputs from the secret in `platformOutputs` if set, and otherwise through a StackReference
    to the platform's stack."""
    section = stack.section
    if section.platform_outputs:
        setting = f"{stack.section_path}.platformOutputs"
        outputs = PlatformOutputs.of_text(section.platform_outputs.resolve(), section.platform, setting)
        renew = "store the current output of `./homelab platform` in the secret of platformOutputs"
    else:
        outputs = PlatformOutputs.of_stack(pulumi.StackReference(full_name(section.platform)))
        renew = "run `pulumi up` on that stack"
    return outputs.require(list(_needs(stack)), partial(_unsatisfied, stack), section.platform, renew)


def _without_single_app(platform: PlatformOutputs) -> PlatformOutputs:
    """Return a copy of the platform outputs whose kubeconfig output fails if this stack has deployed `homelab:app`
    before.

    `homelab:apps` gives an app's Pulumi resources other names than `homelab:app`. Pulumi would adopt the app's objects
    under the new resource names, and then delete the objects because the old resource names are gone.
    """
    own = pulumi.StackReference(full_name(pulumi.get_stack()))
    kubeconfig_and_app = pulumi.Output.all(platform.app_kubeconfig, own.get_output("namespace"))
    return replace(platform, app_kubeconfig=kubeconfig_and_app.apply(lambda both: _checked(*both)))


def _checked(kubeconfig: str, single_app: str | None) -> str:
    if single_app is not None:
        reason = f"this stack deployed the app {single_app} with {NAMESPACE}:app, and cannot move it"
        fix = f"use a new stack, or configure the app with {NAMESPACE}:app again"
        raise pulumi.RunError(f"{NAMESPACE}:apps: {reason}; no changes were made: {fix}")
    return kubeconfig


def _needs(stack: AppStack) -> Iterator[RequiredOutput]:
    for path, app in stack.apps.items():
        yield from (replace(need, setting=f"{path}.{need.setting}") for need in required_outputs(app))


def _unsatisfied(stack: AppStack, nodes: Sequence[Mapping[str, Any]], domain: str) -> Iterator[placement.Unsatisfied]:
    for path, app in stack.apps.items():
        yield from ((f"{path}.{key}", reason, fix) for key, reason, fix in placement.unsatisfied(app, nodes))
    yield from placement.port_conflicts(stack.apps, nodes)
    yield from hosts.host_conflicts(stack.apps, domain)


def full_name(stack: str) -> str:
    """Return a stack's full name.

    A stack name without organization and project refers to a stack in the same organization and project as the running
    stack.
    """
    return stack if "/" in stack else f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
