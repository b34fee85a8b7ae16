"""Checks of an app's workers: names, volumes and probes."""

from components.app.container_settings import AppWorkerSettings
from components.app.pod_validation import liveness_problems, mount_problems, timeout_problems
from components.app.probe_settings import AppProbeSettings
from components.app.settings import AppSettings
from components.settings.errors import Findings
from components.settings.model import camel_case


def worker_problems(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict in the settings of the app's workers."""
    for name, worker in app.workers.items():
        for check in (_names, _database_names, _volumes, _probes, _liveness):
            for loc, reason, fix in check(app, name, worker):
                yield ("workers", name, *loc), reason, fix


def _names(app: AppSettings, name: str, _: AppWorkerSettings) -> Findings:
    if name in (app.name, "before"):
        yield (), "is a name by which `./homelab app` commands select other pods", "choose another name"
    if name in app.cron:
        yield (), "is also the name of a CronJob", "choose another name"


def _database_names(app: AppSettings, name: str, _: AppWorkerSettings) -> Findings:
    """Reject a worker's name that would give an object of the worker and an object of the database the same name."""
    if app.postgres is not None and (name == app.postgres.name or name.startswith(f"{app.postgres.name}-")):
        yield (), f"results in the name {app.name}-{name}, which the database uses", "choose another name"


def _volumes(app: AppSettings, _: str, worker: AppWorkerSettings) -> Findings:
    for index, volume in enumerate(worker.volumes):
        for reason, fix in mount_problems(app, worker.volumes, index):
            yield ("volumes", index), reason, fix
        if volume in app.volumes and app.volumes[volume].is_single_pod:
            reason = "is a single-pod volume, which only the app's own pod can mount"
            yield ("volumes", index), reason, f"remove it, or set volumes.{volume}.shared: true"


def _probes(_: AppSettings, __: str, worker: AppWorkerSettings) -> Findings:
    for name in type(worker.probes).model_fields:
        probe: AppProbeSettings | None = getattr(worker.probes, name)
        if probe is None:
            continue
        for key in ("path", "grpc", "port", "scheme", "http_headers"):
            if key in probe.model_fields_set and getattr(probe, key):
                yield (
                    ("probes", name, camel_case(key)),
                    "needs a network connection to the worker, but workers accept no connections",
                    "remove it, and set command",
                )
        if not probe.command:
            yield ("probes", name, "command"), "is missing", "add it, such as command: [/bin/check]"
        yield from ((("probes", name, *loc), reason, fix) for loc, reason, fix in timeout_problems(name, probe))


def _liveness(_: AppSettings, __: str, worker: AppWorkerSettings) -> Findings:
    yield from ((("probes", *loc), reason, fix) for loc, reason, fix in liveness_problems(worker.probes))
