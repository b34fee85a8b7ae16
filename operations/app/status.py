"""`./homelab app status`: summarizes the app's workloads, pods, Jobs, certificate and database."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer
from rich.table import Table

from components.app import hosts
from components.app.database import cluster_name
from components.app.settings import AppSettings
from components.settings.http_fields import ANY_HOST
from operations.app.parts import CLUSTERS, ROLLOUT, ROLLOUTS, Part, is_ready, newest_job, workloads
from operations.app.revisions import image_of
from operations.app.target import AppName, AppStackName, Target, target
from operations.checks.cluster import conditions
from operations.checks.layer import pod_cause
from operations.console import console
from operations.kubectl import Object
from operations.pulumi_stack import StackFile

_KINDS = ("deployments", "statefulsets", "pods", "jobs", "cronjobs")
Line = tuple[bool, str]
"""Whether a part of the app is healthy, and its state."""
_Index = Mapping[tuple[str, str], Object]


def status(stack: AppStackName = "", config_file: StackFile = None, app: AppName = "") -> None:
    """Show whether the app's pods, Jobs, certificate and database are healthy; exit with code 1 if one of them is not
    healthy."""
    with target(stack, config_file, app) as found:
        items = found.kubectl.items(",".join(_kinds(found.app)))
    index = {(item["kind"], str(item["metadata"]["name"])): item for item in items}
    lines = [*_workloads(found, index), *_jobs(index), *_hosts(found.app, index), *_database(found.app, index)]
    pods = [pod for (kind, _), pod in index.items() if kind == "Pod" and not _has_ended(pod)]
    for healthy, text in lines:
        console.print(text, style="" if healthy else "red", soft_wrap=True)
    if pods:
        console.print()
        console.print(_table(pods))
    if not all(healthy for healthy, _ in lines) or not all(map(is_ready, pods)):
        raise typer.Exit(1)


def _kinds(app: AppSettings) -> Iterator[str]:
    yield from _KINDS
    if app.strategy:
        yield ROLLOUTS
    if app.hosts:
        yield "ingresses"
    if hosts.certificate_hosts(app):
        yield "certificates.cert-manager.io"
    if app.postgres:
        yield CLUSTERS


def _workloads(found: Target, index: _Index) -> Iterator[Line]:
    for part in workloads(found.app):
        item = index.get((part.kind, part.object_name))
        if item is None:
            yield False, f"{part.title}: does not exist; run `pulumi up --stack {found.stack}`"
        else:
            yield _workload(part, item)


def _workload(part: Part, item: Object) -> Line:
    wanted, state = int(item["spec"].get("replicas", 1)), item.get("status") or {}
    ready = int(state.get("readyReplicas") or 0)
    image = image_of(item["spec"]["template"], part.container)
    text = f"{part.title}: {ready} of {wanted} pods ready, image {image}"
    if part.kind == ROLLOUT and state.get("phase") not in (None, "Healthy"):
        return False, f"{text}, {state['phase']}: {state.get('message') or 'no reason given'}"
    if (updated := int(state.get("updatedReplicas") or 0)) < wanted:
        return False, f"{text}, {updated} of the current version"
    return ready >= wanted, text


def _jobs(index: _Index) -> Iterator[Line]:
    """Yield a status line for each Job, and for each CronJob a line with the state of its newest Job."""
    jobs = [item for (kind, _), item in index.items() if kind == "Job"]
    owned: dict[str, list[Object]] = {}
    for job in jobs:
        owners = [each["name"] for each in job["metadata"].get("ownerReferences") or () if each["kind"] == "CronJob"]
        if owners:
            owned.setdefault(owners[0], []).append(job)
        else:
            yield _job(f"Job {job['metadata']['name']}", job)
    for (kind, name), item in index.items():
        if kind == "CronJob":
            newest = newest_job(owned.get(name, ()))
            title = f"CronJob {name} ({item['spec']['schedule']})"
            yield _job(f"{title}, last Job", newest) if newest else (True, f"{title}: has not run yet")


def _job(title: str, job: Object) -> Line:
    found = conditions(job)
    if found.get("Failed", {}).get("status") == "True":
        return False, f"{title}: failed, {found['Failed'].get('message') or 'no reason given'}"
    if found.get("Complete", {}).get("status") == "True":
        return True, f"{title}: succeeded at {(job.get('status') or {}).get('completionTime')}"
    return True, f"{title}: running since {job['metadata']['creationTimestamp']}"


def _hosts(app: AppSettings, index: _Index) -> Iterator[Line]:
    """Yield a line for each host, and for the certificate of each Ingress."""
    for group in hosts.groups(app):
        ingress = index.get(("Ingress", group.ingress))
        for rule in ingress["spec"]["rules"] if ingress else ():
            yield True, f"https://{rule.get('host', ANY_HOST)}"
        if app.tls.certificate and group.has_certificate:
            yield _certificate(f"{group.ingress}-tls", index)


def _certificate(name: str, index: _Index) -> Line:
    certificate = index.get(("Certificate", name)) or {}
    ready = conditions(certificate).get("Ready", {})
    if ready.get("status") == "True":
        return True, f"Certificate {name}: valid until {(certificate.get('status') or {}).get('notAfter')}"
    cause = ready.get("message") or "cert-manager has not issued it"
    return False, f"Certificate {name}: not ready, {cause}; `./homelab doctor` shows the reason"


def _database(app: AppSettings, index: _Index) -> Iterator[Line]:
    if app.postgres is None:
        return
    name = cluster_name(app, app.postgres)
    cluster = index.get(("Cluster", name))
    if cluster is None:
        yield False, f"Database {name}: does not exist"
        return
    state: Mapping[str, Any] = cluster.get("status") or {}
    wanted, ready = int(cluster["spec"]["instances"]), int(state.get("readyInstances") or 0)
    primary = f", primary {state['currentPrimary']}" if state.get("currentPrimary") else ", no primary"
    phase = f", {state['phase']}" if state.get("phase") else ""
    yield ready >= wanted, f"Database {name}: {ready} of {wanted} instances ready{primary}{phase}"


def _table(pods: Sequence[Object]) -> Table:
    table = Table("pod", "state", "restarts", "node", box=None, pad_edge=False)
    for pod in pods:
        statuses = pod.get("status", {}).get("containerStatuses") or ()
        restarts = sum(int(each.get("restartCount") or 0) for each in statuses)
        table.add_row(pod["metadata"]["name"], _state(pod), str(restarts), pod["spec"].get("nodeName") or "none")
    return table


def _state(pod: Object) -> str:
    if "deletionTimestamp" in pod["metadata"]:
        return "terminating"
    return "ready" if is_ready(pod) else f"not ready: {pod_cause(pod)}"


def _has_ended(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
