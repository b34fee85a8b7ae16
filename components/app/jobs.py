"""Jobs of an app: the Job that runs before each new version, and the CronJobs."""

from collections.abc import Iterator

from components.app import pods
from components.app.config_objects import ConfigSources
from components.app.container_settings import AppContainerSettings
from components.app.objects import job_labels, metadata
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json, Manifest

PRE_ROLLOUT = "before"
PRE_ROLLOUT_SECONDS = 30 * 60
"""Seconds that the Job before a new version may run, including retries."""
_RETRIES = 2


def pre_rollout_job(
    app: AppSettings, container: AppContainerSettings, platform: AppPlatformOutputs, sources: ConfigSources
) -> Manifest:
    """Return the Job that must succeed before a rollout of a new version starts.

    If the Job's pod template changes, Pulumi replaces the Job with a Job of another name.
    """
    spec = _job(PRE_ROLLOUT, container, app, platform, sources) | {"activeDeadlineSeconds": PRE_ROLLOUT_SECONDS}
    meta = {"namespace": app.name, "labels": job_labels(app), "annotations": {"pulumi.com/replaceUnready": "true"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def cron_jobs(app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources) -> Iterator[Manifest]:
    """Yield the CronJobs of the app."""
    for name, settings in app.cron.items():
        job = _job(name, settings, app, platform, sources)
        spec: dict[str, Json] = {
            "schedule": settings.schedule,
            **({"timeZone": settings.time_zone} if settings.time_zone else {}),
            "concurrencyPolicy": settings.concurrency_policy,
            "jobTemplate": {"metadata": {"labels": job_labels(app)}, "spec": job},
        }
        if settings.deadline:
            job["activeDeadlineSeconds"] = settings.deadline
        meta = metadata(app, f"{app.name}-{name}")
        yield {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta, "spec": spec}


def _job(
    name: str, container: AppContainerSettings, app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources
) -> dict[str, Json]:
    pod = pods.job_pod_spec(name, container, app, platform, sources)
    return {"backoffLimit": _RETRIES, "template": {"metadata": {"labels": job_labels(app)}, "spec": pod}}
