"""`./homelab app logs`: prints the logs of the app's pods."""

from typing import Annotated

import typer

from operations.app.parts import Part, part_named, pods
from operations.app.target import AppName, AppStackName, Target, target
from operations.kubectl import Object, label_selector
from operations.pulumi_stack import StackError, StackFile

Previous = Annotated[
    bool, typer.Option("--previous", help="Print the logs from before the last restart of each container.")
]
_LINES = 100


def logs(
    name: Annotated[
        str, typer.Argument(help="Worker, CronJob or Job `before` whose logs to print. Default: the app's own pods.")
    ] = "",
    stack: AppStackName = "",
    config_file: StackFile = None,
    app: AppName = "",
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Print new lines until Ctrl-C.")] = False,
    container: Annotated[
        str, typer.Option(help="Name of a container, such as a sidecar. Default: the main container.")
    ] = "",
    previous: Previous = False,
    tail: Annotated[int, typer.Option(min=0, help="Lines per pod, counted from the end.")] = _LINES,
) -> None:
    """Print the logs of the app's pods, of a worker, or of the newest Job of a CronJob."""
    with target(stack, config_file, app) as found:
        part = part_named(found.app, name)
        listed = pods(found.kubectl, part)
        if not listed:
            raise StackError(_no_pods(found, part))
        wanted = _container(part, listed, container)
        if previous:
            listed = [pod for pod in listed if _has_previous(pod, wanted)]
            if not listed:
                raise StackError(f"No container {wanted} of {part.title} has restarted: omit --previous.")
        raise typer.Exit(_print(found, listed, wanted, follow=follow, previous=previous, tail=tail))


def _print(found: Target, listed: list[Object], container: str, *, follow: bool, previous: bool, tail: int) -> int:
    """Print the logs of one container in each pod, and return kubectl's exit code (the highest, for several pods)."""
    options = [f"--container={container}", f"--tail={tail}", *(["--previous"] if previous else [])]
    options += ["--prefix"] if len(listed) > 1 else []
    names = [pod["metadata"]["name"] for pod in listed]
    if follow and len(names) > 1:
        # `kubectl logs --follow` accepts several pods only as a label selector, here the labels that all pods share
        selector = label_selector(_shared_labels(listed))
        requests = f"--max-log-requests={len(names) + 10}"
        return found.kubectl.stream("logs", f"--selector={selector}", "--follow", requests, *options)
    options += ["--follow"] if follow else []
    return max(found.kubectl.stream("logs", name, *options) for name in names)


def _shared_labels(listed: list[Object]) -> dict[str, str]:
    first, *others = [dict(pod["metadata"].get("labels") or {}) for pod in listed]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _container(part: Part, listed: list[Object], wanted: str) -> str:
    spec = listed[0]["spec"]
    names = [each["name"] for each in (*spec["containers"], *(spec.get("initContainers") or ()))]
    if (wanted or part.container) in names:
        return wanted or part.container
    raise StackError(f"The pods of {part.title} have no container {wanted or part.container}: use {', '.join(names)}.")


def _has_previous(pod: Object, container: str) -> bool:
    status = pod.get("status", {})
    states = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return any(each["name"] == container and each.get("lastState", {}).get("terminated") for each in states)


def _no_pods(found: Target, part: Part) -> str:
    if part.is_job:
        return f"{part.title} has not run, or Kubernetes has already deleted its pods."
    return f"{part.title} has no pods: run `./homelab app status --stack {found.stack}`."
