"""Checks for conflicts between an app's settings."""

import re

from components.app import tracing, variable_references
from components.app.backup import backup_problems
from components.app.container_validation import container_problems
from components.app.database_validation import DATABASE_CHECKS
from components.app.dns import dns_problems
from components.app.host_validation import HOST_CHECKS
from components.app.hosts import is_wildcard
from components.app.ingress_validation import INGRESS_CHECKS, redirect_problems
from components.app.monitoring_validation import monitoring_problems
from components.app.objects import has_data
from components.app.patch_validation import patch_problems
from components.app.pod_validation import POD_CHECKS
from components.app.service_account import service_account_problems
from components.app.settings import AppSettings
from components.app.volume_validation import volume_problems
from components.app.worker_validation import worker_problems
from components.settings.checks import exactly_one
from components.settings.errors import Findings

_MAX_FILE_BYTES = 1000 * 1024
"""Maximum bytes of file content in a ConfigMap, whose limit of 1 MiB includes the keys."""


def findings(app: AppSettings) -> Findings:
    """Yield the path, reason and fix of each conflict between an app's settings."""
    for check in (*_CHECKS, *POD_CHECKS, *HOST_CHECKS, patch_problems):
        yield from check(app)
    yield from redirect_problems(app)
    yield from container_problems(app)
    yield from volume_problems(app)
    yield from monitoring_problems(app)
    yield from worker_problems(app)


def _autoscaling(app: AppSettings) -> Findings:
    if app.autoscaling is None:
        return
    if "replicas" in app.model_fields_set:
        yield ("replicas",), "has no effect with autoscaling", "remove it, or remove autoscaling"
    if app.autoscaling.min > app.autoscaling.max:
        reason = f"is less than min, which is {app.autoscaling.min}"
        yield ("autoscaling", "max"), reason, f"use {app.autoscaling.min} or more"


def _variables(app: AppSettings) -> Findings:
    for name in sorted(set(app.secrets) & set(app.environment)):
        yield ("environment", name), "is also set in secrets", "keep one of them"
    for name in sorted(set(app.remote_secrets) & {*app.secrets, *app.environment}):
        yield ("remoteSecrets", name), "is also set in environment or secrets", "keep one of them"


def _database_variables(app: AppSettings) -> Findings:
    yield from _set_by(app, variable_references.database_variables(app), "postgres")


def _server_variables(app: AppSettings) -> Findings:
    if app.mariadb is not None:
        yield from _set_by(app, variable_references.MARIADB_VARIABLES, "mariadb")
    if app.valkey is not None:
        yield from _set_by(app, variable_references.VALKEY_VARIABLES, "valkey")


def _traces_variables(app: AppSettings) -> Findings:
    if app.traces:
        yield from _set_by(app, tracing.VARIABLES, "traces")


def _host_variable(app: AppSettings) -> Findings:
    if app.hosts:
        yield from _set_by(app, (variable_references.HOST_VARIABLE,), "hosts")


def _set_by(app: AppSettings, reserved: tuple[str, ...], setting: str) -> Findings:
    sections = (("environment", app.environment), ("secrets", app.secrets), ("remoteSecrets", app.remote_secrets))
    for section, variables in sections:
        for name in sorted(set(variables) & set(reserved)):
            yield (section, name), f"is already set by {setting}", "remove it, or use another name"


def _references(app: AppSettings) -> Findings:
    """Yield an error for each environment variable that references an undefined or later environment variable."""
    for name, reason, fix in variable_references.broken_references(
        app.environment, variable_references.predefined_variables(app)
    ):
        yield ("environment", name), reason, fix


def _files(app: AppSettings) -> Findings:
    for path in app.files:
        if variable_references.has_host(app.files[path]) and not any(not is_wildcard(host) for host in app.hosts):
            reason = f"references $({variable_references.HOST_VARIABLE}), but the app has no host without a wildcard"
            fix = f"add a host, or write $$({variable_references.HOST_VARIABLE}) for the literal text"
            yield ("files", path), reason, fix


def _file_sizes(app: AppSettings) -> Findings:
    size = sum(len(text.encode()) for text in app.files.values())
    if size > _MAX_FILE_BYTES:
        reason = f"have {size // 1024} KiB in total, but at most {_MAX_FILE_BYTES // 1024} KiB fit into a ConfigMap"
        yield ("files",), reason, "put large files into the image or a volume"


def _paths(app: AppSettings) -> Findings:
    """Reject two files, volumes or scratch folders with the same path, and paths below a file."""
    mounts: list[tuple[tuple[str | int, ...], str]] = [(("files", path), path) for path in app.files]
    mounts += [(("secretFiles", path), path) for path in app.secret_files]
    mounts += [(("remoteSecretFiles", path), path) for path in app.remote_secret_files]
    mounts += [(("scratch", index), path) for index, path in enumerate(app.scratch)]
    for name, volume in app.volumes.items():
        mounts.append((("volumes", name, "path"), volume.path))
        more = enumerate(volume.mounts)
        mounts += [(("volumes", name, "mounts", index, "path"), mount.path) for index, mount in more]
    mounts += [(("devices", index), device.container_path) for index, device in enumerate(app.devices)]
    for index, (loc, path) in enumerate(mounts):
        for _, other in mounts[:index]:
            if path == other:
                yield loc, f"uses a path that is already taken: {path}", "choose another path"
    for loc, path in mounts:
        for file in (*app.files, *app.secret_files, *app.remote_secret_files):
            if path.startswith(f"{file}/"):
                yield loc, f"is below the file {file}", "choose another path"


def _destinations(app: AppSettings) -> Findings:
    for index, destination in enumerate(app.allow.to):
        yield from exactly_one(("allow", "to", index), destination, "namespace", "network")


def _topology_spread(app: AppSettings) -> Findings:
    constraints = [(each.topology_key, each.when_unsatisfiable) for each in app.topology_spread_constraints]
    for index, constraint in enumerate(constraints):
        if constraint in constraints[:index]:
            reason = f"lists {constraint[0]} with whenUnsatisfiable: {constraint[1]} again"
            yield ("topologySpreadConstraints", index), reason, "keep one of them"


def _strategy(app: AppSettings) -> Findings:
    strategy = app.strategy
    if strategy is None:
        return
    yield from exactly_one(("strategy",), strategy, "canary", "blue_green")
    if any(volume.is_single_pod or volume.per_pod for volume in app.volumes.values()):
        reason = "has no effect: volumes that are not shared require a StatefulSet"
        yield ("strategy",), reason, "share the volumes, or remove strategy"
    if strategy.canary and not strategy.canary.steps:
        yield ("strategy", "canary", "steps"), "has no steps", "add a step, such as {weight: 50}, or remove strategy"
    weights = [step.weight for step in strategy.canary.steps] if strategy.canary else []
    if weights != sorted(set(weights)):
        reason = "must have increasing weights"
        yield ("strategy", "canary", "steps"), reason, "give each step more weight than the step before it"


def _discard(app: AppSettings) -> Findings:
    if app.discard and not has_data(app):
        yield ("discard",), "has no effect: the app stores no data", "remove it"


def plaintext_secrets(app: AppSettings) -> list[str]:
    """Return the names of environment variables with a literal value whose names look like secrets, such as
    API_TOKEN."""
    # match whole words, because TOKENIZER does not name a secret; ignore values that are paths or references
    pattern = r"(.*_)?(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_KEY)"
    named = {name: text for name, text in app.environment.items() if re.fullmatch(pattern, name.upper())}
    return [name for name, text in named.items() if text and not re.match(r"\$\(|/", text)]


_CHECKS = (
    _autoscaling,
    *INGRESS_CHECKS,
    _variables,
    _database_variables,
    _server_variables,
    _traces_variables,
    _host_variable,
    _references,
    _files,
    _file_sizes,
    dns_problems,
    _topology_spread,
    _paths,
    _destinations,
    *DATABASE_CHECKS,
    _strategy,
    _discard,
    backup_problems,
    service_account_problems,
)
