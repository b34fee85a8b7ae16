"""`./homelab app restart` and `./homelab app rollback`: replace the pods of an app or of a worker."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from operations.app import revisions
from operations.app.parts import ROLLOUT, Part, live_object, part_named, workloads
from operations.app.target import AppName, AppStackName, Target, target
from operations.console import console
from operations.pulumi_stack import StackError, StackFile

FIELD_MANAGER = "homelab"
"""Field manager of changes by the commands. Pulumi takes over the fields of managers whose names begin with kubectl,
and the next update by Pulumi would then remove the annotation of a restart and restart the pods again."""
TIMEOUT = "10m"

Name = Annotated[str, typer.Argument(help="A worker. Default: the app's own pods.")]


def restart(name: Name = "", stack: AppStackName = "", config_file: StackFile = None, app: AppName = "") -> None:
    """Restart the pods of the app or of a worker one after the other, and wait until the new pods are ready."""
    with target(stack, config_file, app) as found:
        part = _workload(found, name)
        live_object(found, part)
        if part.kind == ROLLOUT:
            _restart_rollout(found, part)
        else:
            found.kubectl.output("rollout", "restart", part.reference, f"--field-manager={FIELD_MANAGER}")
            _wait(found, part)
        console.print(
            f"{part.title} has been restarted. The stack file and Pulumi's state stay unchanged.", soft_wrap=True
        )
        _name_others(found, part, "restart", "were not restarted")


def rollback(name: Name = "", stack: AppStackName = "", config_file: StackFile = None, app: AppName = "") -> None:
    """Roll back the pods of the app or of a worker to the previous version. The next `pulumi up` that changes these
    pods ends the rollback."""
    with target(stack, config_file, app) as found:
        part = _workload(found, name)
        if part.kind == ROLLOUT:
            raise StackError(
                f"Argo Rollouts manages {part.title}, and controls the steps of a rollback: run "
                f"`kubectl argo rollouts undo {part.object_name} -n {found.app.name}`, or write the previous image "
                "into the stack file and run `pulumi up`."
            )
        live = live_object(found, part)
        previous = revisions.previous(found.kubectl, part, live)
        revisions.require_config(found.kubectl, found.stack, previous)
        found.kubectl.output("rollout", "undo", part.reference, f"--to-revision={previous.number}")
        _wait(found, part)
        before, after = (revisions.image_of(template, part.container) for template in (
            live["spec"]["template"], previous.template,
        ))  # fmt: skip
        images = f"the image {after} instead of {before}" if before != after else f"the same image, {after}"
        console.print(f"{part.title} runs revision {previous.number} again, with {images}.", soft_wrap=True)
        console.print(
            f"The stack file still describes the newer version, which the next change of these pods by `pulumi up`, "
            f"or `pulumi up --refresh --stack {found.stack}`, deploys again. To keep the previous version, write it "
            "into the stack file. The rollback did not change the database.",
            soft_wrap=True,
        )
        _name_others(found, part, "rollback", "keep their version")


def _workload(found: Target, name: str) -> Part:
    part = part_named(found.app, name)
    if part.is_job:
        names = ", ".join(each.name for each in workloads(found.app))
        raise StackError(f"{part.title} has no long-running pods: use one of {names}.")
    return part


def _restart_rollout(found: Target, part: Part) -> None:
    moment = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    patch = f'{{"spec":{{"restartAt":"{moment}"}}}}'
    manager = f"--field-manager={FIELD_MANAGER}"
    found.kubectl.output("patch", *part.reference.split("/"), "--type=merge", f"--patch={patch}", manager)
    condition = f"--for=jsonpath={{.status.restartedAt}}={moment}"
    if found.kubectl.attach("wait", part.reference, condition, f"--timeout={TIMEOUT}"):
        raise _not_ready(found, part)


def _wait(found: Target, part: Part) -> None:
    if found.kubectl.attach("rollout", "status", part.reference, f"--timeout={TIMEOUT}"):
        raise _not_ready(found, part)


def _not_ready(found: Target, part: Part) -> StackError:
    fix = f"run `./homelab app status --stack {found.stack}` to see the reason"
    return StackError(f"The new pods of {part.title} are not ready: {fix}.")


def _name_others(found: Target, part: Part, command: str, state: str) -> None:
    """Print the names of the app's other workloads, which `restart` or `rollback` leaves unchanged."""
    others = [each.name for each in workloads(found.app) if each != part]
    if others:
        console.print(
            f"Other workloads {state}: {', '.join(others)}. To select one of these workloads, run "
            f"`./homelab app {command} --stack {found.stack} NAME`.",
            soft_wrap=True,
        )
