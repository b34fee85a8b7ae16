"""Longhorn's validation: settings of recurring jobs, and URLs of backup targets."""

import re
from collections.abc import Iterator
from typing import Any

from rehearsal.admission.formats import is_cron
from rehearsal.controllers.api import Objects

Json = dict[str, Any]
TASKS = ("snapshot", "snapshot-force-create", "snapshot-cleanup", "snapshot-delete", "filesystem-trim")
BACKUPS = ("backup", "backup-force-create", "system-backup")
MOST = 250  # maximum number of snapshots of a volume
LONGEST_NAME = 40


def job(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """Yield the errors of a RecurringJob."""
    spec, name = thing["spec"], thing["metadata"]["name"]
    if len(name) > LONGEST_NAME:
        yield f"job name {name} must be {LONGEST_NAME} characters or less"
    if not is_cron(str(spec.get("cron", ""))):
        yield f"invalid cron format({spec.get('cron', '')})"
    if spec.get("task") not in (*TASKS, *BACKUPS):
        yield f"recurring job task {spec.get('task')} is not valid"
    if not 0 <= spec.get("retain", 0) <= MOST:
        yield f"retain value {spec['retain']} should be from 0 to {MOST}"
    if spec.get("concurrency", 1) < 1:
        yield f"the concurrency value {spec['concurrency']} should be larger than 0"


def target(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """Yield the errors of a BackupTarget."""
    url = (thing.get("spec") or {}).get("backupTargetURL", "")
    if url and not re.fullmatch(r"s3://[^@/]+@[^/]+/.*|(nfs|cifs|azblob)://.+", url):
        yield f"invalid backup target URL {url!r}"


RULES = {"RecurringJob": job, "BackupTarget": target}
