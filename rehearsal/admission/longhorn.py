"""Validation rules of Longhorn's simulated webhook for RecurringJobs and BackupTargets."""

import re
from collections.abc import Iterator
from typing import Any

from rehearsal.admission.formats import is_cron
from rehearsal.controllers.api import KubernetesApi

Json = dict[str, Any]
TASKS = ("snapshot", "snapshot-force-create", "snapshot-cleanup", "snapshot-delete", "filesystem-trim")
BACKUP_TASKS = ("backup", "backup-force-create", "system-backup")
MAX_SNAPSHOTS = 250  # maximum number of snapshots of a volume
MAX_NAME_LENGTH = 40


def recurring_job_errors(item: Json, _: Json | None, api: KubernetesApi) -> Iterator[str]:
    """Yield the validation errors of a RecurringJob."""
    spec, name = item["spec"], item["metadata"]["name"]
    if len(name) > MAX_NAME_LENGTH:
        yield f"job name {name} must be {MAX_NAME_LENGTH} characters or less"
    if not is_cron(str(spec.get("cron", ""))):
        yield f"invalid cron format({spec.get('cron', '')})"
    if spec.get("task") not in (*TASKS, *BACKUP_TASKS):
        yield f"recurring job task {spec.get('task')} is not valid"
    if not 0 <= spec.get("retain", 0) <= MAX_SNAPSHOTS:
        yield f"retain value {spec['retain']} should be from 0 to {MAX_SNAPSHOTS}"
    if spec.get("concurrency", 1) < 1:
        yield f"the concurrency value {spec['concurrency']} should be larger than 0"


def backup_target_errors(item: Json, _: Json | None, api: KubernetesApi) -> Iterator[str]:
    """Yield the validation errors of a BackupTarget."""
    url = (item.get("spec") or {}).get("backupTargetURL", "")
    if url and not re.fullmatch(r"s3://[^@/]+@[^/]+/.*|(nfs|cifs|azblob)://.+", url):
        yield f"invalid backup target URL {url!r}"


RULES = {"RecurringJob": recurring_job_errors, "BackupTarget": backup_target_errors}
