"""`./homelab app backup` and `./homelab app restore`: an app's volumes and MariaDB database, from and to backups."""

import json
import re
import time
from collections.abc import Collection, Iterator
from typing import Annotated, Any

import typer

from components.app import backup as backups
from operations.app.parts import Part, live_object, workloads
from operations.app.run import POLL_SECONDS, START_SECONDS, one_off_job
from operations.app.target import AppName, AppStackName, Target, target
from operations.checks.layer import pod_cause
from operations.console import say
from operations.kubectl import KubectlError, Object
from operations.pulumi_stack import StackError, StackFile

STOP_SECONDS = 600
"""Longest wait until all pods that mount the volumes have ended."""
_REPLICAS, _SUSPENDED = "homelab/restore-replicas", "homelab/restore-suspended"
"""Annotations of the workloads and CronJobs that a restore has stopped."""
_SNAPSHOT = re.compile("[0-9a-f]{8,64}")


def backup(stack: AppStackName = "", config_file: StackFile = None, app: AppName = "") -> None:
    """Back up the app's volumes and its MariaDB database now, as its CronJob does every night."""
    with target(stack, config_file, app) as found:
        _run(found, "backup", _pod(found))


def restore(
    stack: AppStackName = "",
    config_file: StackFile = None,
    app: AppName = "",
    *,
    snapshot: Annotated[str, typer.Option(help="ID of the backup to restore. Default: list the backups.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the app, restore its volumes and its MariaDB database from a backup, and start the app again."""
    with target(stack, config_file, app) as found:
        pod = _pod(found)
        if not snapshot:
            _run(found, "backups", backups.list_pod(pod))
            say(f"Restore a backup with `./homelab app restore --stack {found.stack} --snapshot ID`.")
            return
        if not _SNAPSHOT.fullmatch(snapshot):
            raise StackError(f"--snapshot {snapshot}: is not the ID of a backup; use an ID of `./homelab app restore`")
        _run(found, "backups", backups.list_pod(pod, snapshot))  # fails before the app stops if there is no backup
        if not yes:
            typer.confirm(f"Replace the current data of {found.app.name} with the backup {snapshot}?", abort=True)
        _restore(found, backups.restore_pod(pod, snapshot))


def _restore(found: Target, pod: Object) -> None:
    try:
        _restore_stopped(found, pod)
    except (KubectlError, StackError) as error:
        command = f"./homelab app restore --stack {found.stack} --snapshot ID"
        raise StackError(
            f"{error}\n{found.app.name} may be stopped, and its data may be incomplete. Run `{command}` again, which "
            "completes the restore and starts the app. The backup with the tag before-restore has the data before the "
            "restore."
        ) from None
    say(f"Restored {found.app.name}, and started it again.")


def _restore_stopped(found: Target, pod: Object) -> None:
    """Stop the app, its workers and its CronJobs, restore the data, and start them again."""
    claims = {each["persistentVolumeClaim"]["claimName"] for each in pod["volumes"] if "persistentVolumeClaim" in each}
    parts = workloads(found.app)
    for part in parts:
        _stop(found, part)
    for name in _cron_jobs(found):
        _suspend(found, name)
    _await_unused(found, claims)
    _run(found, "restore", pod)
    for name in _cron_jobs(found):
        _resume(found, name)
    for part in parts:
        _start(found, part)


def _pod(found: Target) -> Any:
    """Return the pod spec of the CronJob in the cluster. Raises `StackError` if the app has no backup."""
    if found.app.backup is None:
        raise StackError(f"App {found.app.name} has no backup: its stack file does not set backup.")
    cron_job = found.kubectl.find("cronjob", backups.name(found.app))
    if cron_job is None:
        name = backups.name(found.app)
        raise StackError(f"CronJob {name} does not exist: run `pulumi up --stack {found.stack}`.")
    return cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def _cron_jobs(found: Target) -> list[str]:
    return [backups.name(found.app), *(f"{found.app.name}-{name}" for name in found.app.cron)]


def _stop(found: Target, part: Part) -> None:
    live = live_object(found, part)
    if not (live["metadata"].get("annotations") or {}).get(_REPLICAS):
        _annotate(found, part.reference, _REPLICAS, str(live["spec"].get("replicas", 1)), {"replicas": 0})


def _start(found: Target, part: Part) -> None:
    replicas = (live_object(found, part)["metadata"].get("annotations") or {}).get(_REPLICAS)
    if replicas:
        _annotate(found, part.reference, _REPLICAS, None, {"replicas": int(replicas)})


def _suspend(found: Target, name: str) -> None:
    live = found.kubectl.find("cronjob", name)
    if live is not None and not live["spec"].get("suspend"):
        _annotate(found, f"cronjob/{name}", _SUSPENDED, "true", {"suspend": True})


def _resume(found: Target, name: str) -> None:
    live = found.kubectl.find("cronjob", name)
    if live is not None and (live["metadata"].get("annotations") or {}).get(_SUSPENDED):
        _annotate(found, f"cronjob/{name}", _SUSPENDED, None, {"suspend": False})


def _annotate(found: Target, reference: str, annotation: str, value: str | None, spec: dict[str, Any]) -> None:
    """Change the `spec` of an object, and set or remove an annotation in the same request."""
    patch = json.dumps({"metadata": {"annotations": {annotation: value}}, "spec": spec})
    found.kubectl.output("patch", reference, "--type=merge", f"--patch={patch}")


def _await_unused(found: Target, claims: Collection[str]) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while users := list(_users(found.kubectl.items("pods"), claims)):
        if time.monotonic() > deadline:
            raise StackError(
                f"After {STOP_SECONDS} s, these pods still use the volumes: {', '.join(users)}. No data was changed."
            )
        time.sleep(POLL_SECONDS)


def _users(pods: list[Object], claims: Collection[str]) -> Iterator[str]:
    for pod in pods:
        mounted = {
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["spec"].get("volumes") or ()
            if "persistentVolumeClaim" in volume
        }
        has_ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
        if mounted & set(claims) and not has_ended:
            yield f"{pod['metadata']['name']} on {pod['spec'].get('nodeName', 'no node')}"


def _run(found: Target, kind: str, pod: Object) -> None:
    """Run a Job with this pod spec, print its log, and delete it. Raises `StackError` if the Job fails."""
    manifest = one_off_job(f"{found.app.name}-{kind}-", backups.labels(found.app), pod)
    created = found.kubectl.output("create", "--filename=-", "--output=name", stdin=json.dumps(manifest)).strip()
    try:
        name = created.partition("/")[2]
        for container in (*(pod.get("initContainers") or ()), *pod["containers"]):
            _follow(found, name, container["name"])
    finally:
        found.kubectl.output("delete", created, "--cascade=background", "--wait=false")


def _follow(found: Target, job: str, container: str) -> None:
    """Print the log of a container of the Job's pod until the container has ended. Raises `StackError` if the container
    fails."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        pod = next(iter(found.kubectl.items("pods", f"--selector=job-name={job}")), None)
        state = _state(pod, container)
        if ended := state.get("terminated"):
            if ended["exitCode"]:
                raise StackError(f"The container {container} of the Job {job} failed with code {ended['exitCode']}.")
            return
        if pod is not None and "running" in state:
            found.kubectl.stream("logs", pod["metadata"]["name"], f"--container={container}", "--follow")
            deadline = time.monotonic() + START_SECONDS
        elif time.monotonic() > deadline:
            cause = pod_cause(pod) if pod else "Kubernetes has created no pod"
            raise StackError(f"The container {container} of the Job {job} has not started: {cause}.")
        elif pod is not None and pod.get("status", {}).get("phase") == "Failed":
            raise StackError(f"The pod of the Job {job} failed: {pod_cause(pod)}.")
        time.sleep(POLL_SECONDS)


def _state(pod: Object | None, container: str) -> dict[str, Any]:
    if pod is None:
        return {}
    status = pod.get("status", {})
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return next((each.get("state") or {} for each in statuses if each["name"] == container), {})
