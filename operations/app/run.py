"""`./homelab app run`: runs a command in a Job with the app's image, environment and permissions."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from components.app import mariadb, server_waits, valkey, volumes
from components.app.database import cluster_name
from components.app.objects import job_labels
from components.app.pod_validation import mount_problems
from components.app.pods import same_node_affinity
from components.app.settings import AppSettings
from operations.app.parts import CLUSTERS, live_object, part_named
from operations.app.target import AppName, AppStackName, Target, target
from operations.checks.layer import pod_cause
from operations.console import say
from operations.kubectl import Object
from operations.pulumi_stack import StackError, StackFile

START_SECONDS, POLL_SECONDS = 300, 1.0
"""Longest wait until the container has started, and the time between two checks of the pod."""
EXPIRES_SECONDS = 3600
"""Time after which Kubernetes deletes the ended Job if the command was killed before it deleted the Job."""
_KEPT_VOLUMES = ("configMap", "secret", "emptyDir")
"""Kinds of volumes in the app's pods that a Job also has."""
_ONLY_APP = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "ports", "args")


def run(
    command: Annotated[list[str], typer.Argument(help="Program and arguments, after --.")],
    stack: AppStackName = "",
    config_file: StackFile = None,
    app: AppName = "",
    *,
    volume: Annotated[list[str] | None, typer.Option(help="Volume of the app to mount; can be repeated.")] = None,
) -> None:
    """Run a command in a new pod with the app's image and environment: `./homelab app run -- /shop migrate`."""
    with target(stack, config_file, app) as found:
        mounted = _mountable(found.app, volume or [])
        template = live_object(found, part_named(found.app, ""))["spec"]["template"]["spec"]
        waits = server_waits.init_containers(found.app, _server_images(found))
        manifest = json.dumps(job(found.app, template, command, mounted, waits))
        created = found.kubectl.output("create", "--filename=-", "--output=name", stdin=manifest).strip()
        try:
            code = _follow(found, created)
        finally:
            found.kubectl.output("delete", created, "--cascade=background", "--wait=false")
        raise typer.Exit(code)


def job(
    app: AppSettings,
    template: Mapping[str, Any],
    command: Sequence[str],
    mounted: Sequence[str],
    waits: Sequence[Mapping[str, Any]],
) -> Object:
    """Return a Job that runs `command` with the app's main container from a pod template, without sidecars and
    probes. The init containers in `waits` wait for the app's database servers."""
    kept = [each for each in template.get("volumes") or () if any(kind in each for kind in _KEPT_VOLUMES)]
    kept = [each for each in kept if each["name"] not in app.volumes]
    names = {each["name"] for each in kept}
    own = next(each for each in template["containers"] if each["name"] == app.name)
    mounts = [each for each in own.get("volumeMounts") or () if each["name"] in names]
    container = {key: value for key, value in own.items() if key not in _ONLY_APP} | {
        "command": list(command),
        "volumeMounts": [*mounts, *volumes.mounts(app, mounted)],
    }
    skipped = ("initContainers", "topologySpreadConstraints")
    spec = {key: value for key, value in template.items() if key not in skipped} | {
        **same_node_affinity(app, mounted),
        "restartPolicy": "Never",
        **({"initContainers": list(waits)} if waits else {}),
        "containers": [container],
        "volumes": [*kept, *volumes.for_job(app, mounted)],
    }
    return one_off_job(f"{app.name}-run-", job_labels(app), spec)


def one_off_job(prefix: str, labels: Mapping[str, str], pod: Mapping[str, Any]) -> Object:
    """Return a Job that runs this pod spec once. Its name begins with `prefix`."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": prefix, "labels": dict(labels)},
        "spec": {
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": EXPIRES_SECONDS,
            "template": {"metadata": {"labels": dict(labels)}, "spec": pod},
        },
    }


def _server_images(found: Target) -> dict[str, Any]:
    """Return the images of the app's database servers in the cluster. Raises `StackError` if a server does not
    exist."""
    app, images = found.app, dict[str, Any]()
    if app.postgres:
        images[server_waits.DATABASE] = _existing(found, CLUSTERS, cluster_name(app, app.postgres))["imageName"]
    servers = ((server_waits.MARIADB, app.mariadb, mariadb), (server_waits.VALKEY, app.valkey, valkey))
    for wait, settings, module in servers:
        if settings:
            pod = _existing(found, "statefulset", module.server_name(app))["template"]["spec"]
            images[wait] = pod["containers"][0]["image"]
    return images


def _existing(found: Target, kind: str, name: str) -> Mapping[str, Any]:
    server = found.kubectl.find(kind, name)
    if server is None:
        raise StackError(f"The server {name} does not exist: run `pulumi up --stack {found.stack}`.")
    spec: Mapping[str, Any] = server["spec"]
    return spec


def _mountable(app: AppSettings, mounted: list[str]) -> list[str]:
    for index, name in enumerate(mounted):
        for reason, fix in mount_problems(app, mounted, index):
            raise StackError(f"--volume {name}: {reason}; {fix}")
        if app.volumes[name].access_mode == "ReadWriteOncePod":
            raise StackError(
                f"--volume {name}: only the app's own pod can mount this volume, because its access mode is "
                "ReadWriteOncePod; omit the option"
            )
    return mounted


def _follow(found: Target, created: str) -> int:
    """Print the log of the Job's pod until the pod has terminated, and return the exit code of the pod's container."""
    name = _started_pod(found, created.partition("/")[2])
    options: list[str] = []
    while True:
        found.kubectl.stream("logs", name, "--follow", *options)
        # the stream can end too early: when the API server restarts, or before Kubernetes records the exit code
        options = [f"--since-time={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"]
        pod = found.kubectl.find("pod", name)
        if pod is None:
            raise StackError(f"Kubernetes deleted the pod {name} before the command ended, for example in a drain.")
        if (code := _exit_code(pod)) is not None:
            return code
        time.sleep(POLL_SECONDS)


def _started_pod(found: Target, job_name: str) -> str:
    """Wait until the Job's container has started or terminated, and return the name of the Job's pod. Raises
    `StackError`."""
    deadline, cause = time.monotonic() + START_SECONDS, ""
    while True:
        pod = next(iter(found.kubectl.items("pods", f"--selector=job-name={job_name}")), None)
        if pod is not None and (_exit_code(pod) is not None or "running" in _state(pod)):
            return str(pod["metadata"]["name"])
        now = pod_cause(pod) if pod else "Kubernetes has created no pod"
        if time.monotonic() > deadline:
            raise StackError(f"The command has not started after {START_SECONDS} s: {now}.")
        if pod and now != cause and _state(pod).get("waiting", {}).get("reason") not in (None, "ContainerCreating"):
            say(now)
        cause = now
        time.sleep(POLL_SECONDS)


def _state(pod: Object) -> Mapping[str, Any]:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    state: Mapping[str, Any] = statuses[0].get("state") or {}
    return state


def _exit_code(pod: Object) -> int | None:
    """Return the exit code of a pod's container, 1 for a failed pod without an exit code, or None for a pod that has
    not terminated."""
    if terminated := _state(pod).get("terminated"):
        return int(terminated["exitCode"])
    return 1 if pod.get("status", {}).get("phase") == "Failed" else None
