"""The parts of an app that a command can name: the app's own pods, its workers, and its Jobs and CronJobs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from components.app import jobs, workers
from components.app.objects import job_labels, labels, worker_labels
from components.app.settings import AppSettings
from components.app.workload import type_meta
from operations.app.target import Target
from operations.kubectl import Kubectl, Object, label_selector
from operations.pulumi_stack import StackError

ROLLOUT = "Rollout"
ROLLOUTS, CLUSTERS = "rollouts.argoproj.io", "clusters.postgresql.cnpg.io"
"""Resources of Argo Rollouts and CloudNativePG in kubectl commands."""
_RESOURCES = {ROLLOUT: ROLLOUTS}


@dataclass(frozen=True)
class Part:
    """A workload, Job or CronJob of the app that a `./homelab app` command can name, with the name of its main
    container."""

    name: str
    kind: str
    object_name: str
    container: str
    labels: Mapping[str, str]

    @property
    def reference(self) -> str:
        """The workload's name in kubectl commands, such as `deployment/shop`."""
        return f"{_RESOURCES.get(self.kind, self.kind.lower())}/{self.object_name}"

    @property
    def title(self) -> str:
        """The workload's name in messages, such as `Deployment shop`."""
        return f"{self.kind} {self.object_name}"

    @property
    def is_job(self) -> bool:
        """Whether the pods run to completion, as the pods of a Job or CronJob do."""
        return self.kind in ("Job", "CronJob")

    @property
    def selector(self) -> str:
        """Label selector of the pods that belong to the workload, Job or CronJob."""
        return label_selector(self.labels)


def workloads(app: AppSettings) -> list[Part]:
    """Return the app's own workload first, and then the app's workers."""
    own = Part(app.name, type_meta(app)["kind"], app.name, app.name, labels(app))
    return [
        own,
        *(
            Part(name, "Deployment", workers.deployment_name(app, name), name, worker_labels(app, name))
            for name in app.workers
        ),
    ]


def parts(app: AppSettings) -> dict[str, Part]:
    """Return the app's workloads, Jobs and CronJobs by the names that commands use."""
    found = {part.name: part for part in workloads(app)}
    found |= {name: Part(name, "CronJob", f"{app.name}-{name}", name, job_labels(app)) for name in app.cron}
    if app.before:
        before = jobs.PRE_ROLLOUT
        found.setdefault(before, Part(before, "Job", f"{app.name}-{before}", before, job_labels(app)))
    return found


def part_named(app: AppSettings, name: str) -> Part:
    """Return the app's worker, Job or CronJob `name`, or the app's own workload if `name` is empty. Raises
    `StackError`."""
    found = parts(app)
    if (name or app.name) not in found:
        raise StackError(f"App {app.name} has no {name}: use one of {', '.join(found)}.")
    return found[name or app.name]


def live_object(target: Target, part: Part) -> Object:
    """Return the Kubernetes object of the workload from the cluster. Raises `StackError` if the workload does not
    exist, and `KubectlError` if kubectl fails."""
    kind, _, name = part.reference.partition("/")
    found = target.kubectl.find(kind, name)
    if found is None:
        raise StackError(f"{part.title} does not exist: run `pulumi up --stack {target.stack}`.")
    return found


def pods(kubectl: Kubectl, part: Part) -> list[Object]:
    """Return the part's pods. For a Job or CronJob, only the pods of the newest Job are returned. Raises
    `KubectlError`."""
    if not part.is_job:
        return kubectl.items("pods", f"--selector={part.selector}")
    newest = newest_job(_jobs(kubectl, part))
    return kubectl.items("pods", f"--selector=job-name={newest['metadata']['name']}") if newest else []


def newest_job(jobs_of_part: Iterable[Object]) -> Object | None:
    """Return the Job that was created last, or None without Jobs."""
    return max(jobs_of_part, key=lambda job: str(job["metadata"]["creationTimestamp"]), default=None)


def _jobs(kubectl: Kubectl, part: Part) -> Iterator[Object]:
    for job in kubectl.items("jobs"):
        owners = [owner["name"] for owner in job["metadata"].get("ownerReferences") or ()]
        is_before = not owners and job["metadata"]["name"].startswith(f"{part.object_name}-")
        if is_before if part.kind == "Job" else part.object_name in owners:
            yield job


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready and not terminating."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]
