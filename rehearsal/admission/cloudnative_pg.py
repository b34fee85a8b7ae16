"""CloudNativePG: databases that can be made, and backups at times that exist."""

from collections.abc import Iterator
from typing import Any

from rehearsal.admission.forms import is_cron, size
from rehearsal.operators.api import Objects

Json = dict[str, Any]
LONGEST_NAME = 50
FIXED = frozenset(
    [
        *("archive_command", "cluster_name", "config_file", "data_directory", "hba_file", "ident_file"),
        *("listen_addresses", "log_destination", "log_directory", "log_filename", "logging_collector", "port"),
        *("primary_conninfo", "recovery_target_timeline", "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"),
        *("stats_temp_directory", "unix_socket_directories"),
    ]
)
"""Parameters of Postgres that are the operator's own."""


def cluster(thing: Json, old: Json | None, api: Objects) -> Iterator[str]:
    """A Cluster."""
    spec, name = thing["spec"], thing["metadata"]["name"]
    if len(name) > LONGEST_NAME:
        yield f"metadata.name: the maximum length of a cluster name is {LONGEST_NAME} characters"
    instances = spec.get("instances", 0)
    if instances < 1:
        yield f"spec.instances: Invalid value: {instances}: should be greater than or equal to 1"
    if spec.get("maxSyncReplicas", 0) >= max(instances, 1):
        yield "spec.maxSyncReplicas: must be lower than the number of instances"
    for volume in ("storage", "walStorage"):
        if volume == "storage" or volume in spec:
            yield from _storage(f"spec.{volume}", spec.get(volume) or {}, ((old or {}).get("spec") or {}).get(volume))
    for parameter in sorted((spec.get("postgresql") or {}).get("parameters") or {}):
        if parameter in FIXED:
            yield f"spec.postgresql.parameters.{parameter}: Can't set fixed configuration parameter"
    if sum(each.get("isWALArchiver", False) for each in spec.get("plugins") or ()) > 1:
        yield "spec.plugins: only one plugin can archive WAL"
    yield from _bootstrap(spec)


def _storage(path: str, storage: Json, old: Json | None) -> Iterator[str]:
    text = storage.get("size")
    if not text:
        if "pvcTemplate" not in storage:
            yield f"{path}.size: Size not configured. Please add it, or a storage request in the pvcTemplate."
        return
    found, before = size(text), size((old or {}).get("size") or "0")
    if found is None:
        yield f"{path}.size: Invalid value: {text!r}: Size value isn't valid"
    elif before and found < before:
        yield f"{path}.size: can't shrink existing storage from {(old or {})['size']} to {text}"


def _bootstrap(spec: Json) -> Iterator[str]:
    bootstrap = spec.get("bootstrap") or {}
    if len(bootstrap) > 1:
        yield "spec.bootstrap: Only one bootstrap method can be specified at a time"
    init = bootstrap.get("initdb") or {}
    if bool(init.get("database")) != bool(init.get("owner")):
        yield "spec.bootstrap.initdb: database and owner must be given together"
    known = {each["name"] for each in spec.get("externalClusters") or ()}
    for method in ("recovery", "pg_basebackup"):
        source = (bootstrap.get(method) or {}).get("source")
        if source and source not in known:
            yield f"spec.bootstrap.{method}.source: External cluster {source} not found"


def backup(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """A Backup."""
    spec = thing["spec"]
    by_plugin = spec.get("method") == "plugin"
    if by_plugin != bool(spec.get("pluginConfiguration")):
        yield "spec.pluginConfiguration: must be given when the method is plugin, and only then"


def scheduled(thing: Json, old: Json | None, api: Objects) -> Iterator[str]:
    """A ScheduledBackup; the first field of its schedule are seconds."""
    schedule = thing["spec"].get("schedule", "")
    if not is_cron(schedule, seconds=True):
        yield f"spec.schedule: Invalid value: {schedule!r}: expected exactly 6 fields"
    yield from backup(thing, old, api)


def pooler(thing: Json, _: Json | None, api: Objects) -> Iterator[str]:
    """A Pooler."""
    spec, name = thing["spec"], thing["metadata"]["name"]
    if not (spec.get("cluster") or {}).get("name"):
        yield "spec.cluster.name: Required value"
    elif spec["cluster"]["name"] == name:
        yield "metadata.name: the pooler resource cannot have the same name of a cluster"
    if not spec.get("pgbouncer"):
        yield "spec.pgbouncer: Required value"
    elif spec["pgbouncer"].get("poolMode", "session") not in ("session", "transaction"):
        yield f"spec.pgbouncer.poolMode: Unsupported value: {spec['pgbouncer']['poolMode']!r}"


RULES = {"Cluster": cluster, "Backup": backup, "ScheduledBackup": scheduled, "Pooler": pooler}
