"""The app that a command operates: its settings from the stack file, and kubectl with the kubeconfig of app stacks."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from components.app.settings import AppSettings
from components.cluster.certificate_validity import Validity
from operations import pulumi_stack
from operations.console import EXIT_INTERRUPTED, report_errors
from operations.kubectl import Kubectl, kubectl
from operations.pulumi_stack import Stack, StackError
from stacks import stackfile
from stacks.app_sections import APP_SECTIONS
from stacks.settings import AppStack, SettingsError

AppStackName = Annotated[
    str, typer.Option("--stack", help="Stack of the app: the NAME in Pulumi.NAME.yaml. Default: the only app stack.")
]
AppName = Annotated[str, typer.Option("--app", help="App to operate, if the stack has several apps.")]


@dataclass(frozen=True)
class Target:
    """The app of a stack, and kubectl in the app's namespace."""

    stack: str
    app: AppSettings
    kubectl: Kubectl


@contextmanager
def target(stack: str, config_file: Path | None, app_name: str) -> Iterator[Target]:
    """Yield the app of a stack. Print the errors of `./homelab app` commands to standard error, and exit with code
    1."""
    with report_errors():
        try:
            file, name = _stack_file(stack, config_file)
            described = _described(file, name)
            app = _app(described, name, app_name)
            fix = (
                f"The command needs the RBAC rights and the namespace that homelab creates: run `pulumi up --stack "
                f"{described.section.platform}`, then `pulumi up --stack {name}`."
            )
            with kubectl(_kubeconfig(Stack(name, file), described), app.name, fix) as client:
                yield Target(name, app, client)
        except KeyboardInterrupt:  # the message of `report_errors` is about scripts on machines
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _stack_file(stack: str, config_file: Path | None) -> tuple[Path, str]:
    """Return the path of the stack file and the stack's name. If both parameters are empty, the function returns the
    path and the name of the project's only app stack."""
    if config_file or stack:
        name = stack or stackfile.stack_name(config_file or Path())
        return Stack(name, config_file).file, name
    files = [file for file in sorted(pulumi_stack.PROJECT_FOLDER.glob("Pulumi.*.yaml")) if _describes_app(file)]
    if len(files) == 1:
        return files[0], stackfile.stack_name(files[0])
    names = ", ".join(stackfile.stack_name(file) for file in files)
    none = "the project has no stack file with homelab:app or homelab:apps"
    raise StackError(f"Name the app's stack with --stack: {names or none}.")


def _describes_app(file: Path) -> bool:
    try:
        config, _ = stackfile.read(file)
    except SettingsError:
        return False
    return any(section.key in config for section in APP_SECTIONS)


def _described(file: Path, stack: str) -> AppStack:
    if file.is_file() and not _describes_app(file) and "homelab:cluster:" in file.read_text(encoding="utf-8"):
        raise StackError(f"Stack {stack} describes a cluster, not an app: name the app's stack with --stack.")
    return AppStack.read(file)


def _app(described: AppStack, stack: str, app_name: str) -> AppSettings:
    apps = {app.name: app for app in described.apps.values()}
    if app_name and app_name not in apps:
        raise StackError(f"Stack {stack} has no app {app_name}. Its apps are: {', '.join(apps)}.")
    if not app_name and len(apps) > 1:
        raise StackError(f"Stack {stack} has several apps. Name the app with --app: {', '.join(apps)}.")
    return apps[app_name] if app_name else next(iter(apps.values()))


def _kubeconfig(stack: Stack, described: AppStack) -> str:
    """Return the kubeconfig of app stacks from the outputs of the platform's stack, or from the secret in
    `platformOutputs`."""
    section = described.section
    if section.platform_outputs:
        secret = stack.secret(section.platform_outputs.secret)
        outputs = _outputs_in_secret(secret, described.section_path, stack.name)
        renew = "store the current output of `./homelab platform` in the secret of platformOutputs"
    else:
        outputs = Stack(section.platform).outputs()
        renew = f"run `pulumi up --stack {section.platform}`"
    if not isinstance(text := outputs.get("appKubeconfig"), str):
        raise StackError(f"Stack {section.platform} has no kubeconfig for app stacks yet: {renew}.")
    validity = Validity.of_kubeconfig_user(yaml.safe_load(text)["users"][0]["user"])
    if validity.is_expired:
        raise StackError(f"The kubeconfig of app stacks expired on {validity.end_text}: {renew}.")
    return text


def _outputs_in_secret(text: str, path: str, stack: str) -> Mapping[str, Any]:
    try:
        outputs = json.loads(text)
    except json.JSONDecodeError:
        outputs = None
    if not isinstance(outputs, dict):
        reason = "the secret is not the output of `./homelab platform`; set the secret again"
        raise StackError(f"{path}.platformOutputs of stack {stack}: {reason}")
    return outputs
