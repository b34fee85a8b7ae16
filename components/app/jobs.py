"""What an app runs once and by a schedule: a Job before each new version, and CronJobs."""

from collections.abc import Iterator

from components.app import pods
from components.app.container_settings import AppContainerSettings
from components.app.objects import job_labels, metadata
from components.app.read import Read
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.manifest import Manifest, Tree

BEFORE = "before"
SECONDS = 30 * 60
"""How long it may take, its retries included."""
_RETRIES = 2


def before(app: AppSettings, given: AppContainerSettings, platform: Surroundings, read: Read) -> Manifest:
    """What must succeed before new pods come. It is made anew, under a new name, with everything that changes in it."""
    spec = _job(BEFORE, given, app, platform, read) | {"activeDeadlineSeconds": SECONDS}
    meta = {"namespace": app.name, "labels": job_labels(app), "annotations": {"pulumi.com/replaceUnready": "true"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def cron(app: AppSettings, platform: Surroundings, read: Read) -> Iterator[Manifest]:
    """Yield what runs by a schedule."""
    for name, given in app.cron.items():
        job = _job(name, given, app, platform, read)
        spec: dict[str, Tree] = {
            "schedule": given.schedule,
            **({"timeZone": given.time_zone} if given.time_zone else {}),
            "concurrencyPolicy": given.concurrency_policy,
            "jobTemplate": {"metadata": {"labels": job_labels(app)}, "spec": job},
        }
        if given.deadline:
            job["activeDeadlineSeconds"] = given.deadline
        meta = metadata(app, f"{app.name}-{name}")
        yield {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec}


def _job(
    name: str, given: AppContainerSettings, app: AppSettings, platform: Surroundings, read: Read
) -> dict[str, Tree]:
    pod = pods.of_job(name, given, app, platform, read)
    return {"backoffLimit": _RETRIES, "template": {"metadata": {"labels": job_labels(app)}, "spec": pod}}
