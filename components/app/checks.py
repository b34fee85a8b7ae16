"""What must hold between the settings of an app, checked as far as they are right."""

import re
from collections import Counter
from collections.abc import Iterator

from components.app import references, traces
from components.app.container_checks import container_problems
from components.app.database import archive
from components.app.network import POLICIES
from components.app.objects import has_data
from components.app.pod_checks import CHECKS
from components.app.settings import AppSettings
from components.app.volume_checks import volume_problems
from components.layer import Finding
from components.model import NotKnownError

Findings = Iterator[Finding]
_LARGEST = 1000 * 1024
"""Bytes that a ConfigMap may hold, but for a little that its keys take."""


def problems(app: AppSettings) -> Findings:
    """Yield every broken relation; one that needs a wrong field is passed over."""
    for check in (*_CHECKS, *CHECKS):
        try:
            yield from check(app)
        except NotKnownError:
            continue
    yield from container_problems(app)
    yield from volume_problems(app)


def _scale(app: AppSettings) -> Findings:
    if app.autoscaling is None:
        return
    if "replicas" in app.model_fields_set:
        yield ("replicas",), "has no effect with autoscaling", "take it out, or take autoscaling out"
    if app.autoscaling.min > app.autoscaling.max:
        reason = f"is less than min, which is {app.autoscaling.min}"
        yield ("autoscaling", "max"), reason, "give it min or more"


def _hosts(app: AppSettings) -> Findings:
    for host, count in Counter(app.hosts).items():
        if count > 1:
            yield ("hosts",), f"names {host} {count} times", "keep one of them"
    if "tls" in app.model_fields_set and not app.hosts:
        yield ("tls",), "has no hosts to apply to", "add hosts or take it out"


def _issuer(app: AppSettings) -> Findings:
    if app.tls.issuer is not None and not app.tls.certificate:
        yield ("tls", "issuer"), "has no effect: certificate is false", "keep one of them"


def _variables(app: AppSettings) -> Findings:
    for name in sorted(set(app.secrets) & set(app.environment)):
        yield ("environment", name), "is also among the secrets", "keep one of them"
    for name in sorted(set(app.remote_secrets) & {*app.secrets, *app.environment}):
        yield ("remoteSecrets", name), "is also in environment or among the secrets", "keep one of them"


def _database_variables(app: AppSettings) -> Findings:
    if app.postgres is not None:
        yield from _taken(app, references.DATABASE_VARIABLES, "the app's database")


def _traces_variables(app: AppSettings) -> Findings:
    if app.traces:
        yield from _taken(app, traces.VARIABLES, "the app's traces")


def _taken(app: AppSettings, names: tuple[str, ...], what: str) -> Findings:
    given = (("environment", app.environment), ("secrets", app.secrets), ("remoteSecrets", app.remote_secrets))
    for section, theirs in given:
        for name in sorted(set(theirs) & set(names)):
            yield (section, name), f"is set for {what}", "take it out, or use another name"


def _references(app: AppSettings) -> Findings:
    """A variable that names another one names one that is there, and before it."""
    for name, reason, fix in references.wrong(app.environment, references.given(app)):
        yield ("environment", name), reason, fix


def _large(app: AppSettings) -> Findings:
    size = sum(len(text.encode()) for text in app.files.values())
    if size > _LARGEST:
        reason = f"hold {size // 1024} KiB together, and the API takes {_LARGEST // 1024}"
        yield ("files",), reason, "put large files into the image or a volume"


def _places(app: AppSettings) -> Findings:
    """Files, volumes and scratch folders each need a place that none of the others has or is within."""
    places: list[tuple[tuple[str | int, ...], str]] = [(("files", path), path) for path in app.files]
    places += [(("secretFiles", path), path) for path in app.secret_files]
    places += [(("scratch", index), path) for index, path in enumerate(app.scratch)]
    places += [(("volumes", name, "path"), volume.path) for name, volume in app.volumes.items()]
    for index, (loc, path) in enumerate(places):
        for _, other in places[:index]:
            if path == other:
                yield loc, f"is a path that is already taken: {path}", "give everything its own path"
    for loc, path in places:
        for other in (*app.files, *app.secret_files):
            if path.startswith(f"{other}/"):
                yield loc, f"is below the file {other}", "choose another path"


def _destinations(app: AppSettings) -> Findings:
    for index, place in enumerate(app.allow.to):
        try:
            if (place.namespace is None) == (place.network is None):
                has = "neither" if place.namespace is None else "both"
                yield ("allow", "to", index), f"has {has} of namespace and network", "give one of them"
        except NotKnownError:
            continue


def _restore(app: AppSettings) -> Findings:
    postgres = app.postgres
    if postgres is None or postgres.restore is None:
        return
    if postgres.backup is not None and postgres.restore.source == archive(app, postgres):
        reason = "is this database itself, whose backups would go on where those that are read end"
        fix = "give postgres.name another name, such as db-2"
        yield ("postgres", "restore", "source"), reason, fix


def _database_name(app: AppSettings) -> Findings:
    """A database has a NetworkPolicy of its name, beside those of the app."""
    if app.postgres is not None and app.postgres.name in POLICIES:
        reason = f"makes the name {archive(app, app.postgres)}, which a NetworkPolicy of the app has"
        yield ("postgres", "name"), reason, "choose another name, such as db-2"


def _extensions(app: AppSettings) -> Findings:
    for name, count in Counter(app.postgres.extensions if app.postgres else ()).items():
        if count > 1:
            yield ("postgres", "extensions"), f"names {name} {count} times", "keep one of them"


def _strategy(app: AppSettings) -> Findings:
    given = app.strategy
    if given is None:
        return
    if (given.canary is None) == (given.blue_green is None):
        has = "neither" if given.canary is None else "both"
        yield ("strategy",), f"has {has} of canary and blueGreen", "give one of them"
    if any(volume.single or volume.per_pod for volume in app.volumes.values()):
        reason = "has no effect: a volume is for one pod, and the app is a StatefulSet"
        yield ("strategy",), reason, "share the volumes, or take it out"
    if given.canary and not given.canary.steps:
        yield ("strategy", "canary", "steps"), "has no steps", "add one, such as {weight: 50}, or take strategy out"
    weights = [step.weight for step in given.canary.steps] if given.canary else []
    if weights != sorted(set(weights)):
        yield ("strategy", "canary", "steps"), "do not grow", "give each more weight than the one before it"


def _discard(app: AppSettings) -> Findings:
    if app.discard and not has_data(app):
        yield ("discard",), "has nothing to apply to: the app keeps no data", "take it out"


def in_clear(app: AppSettings) -> list[str]:
    """Return the variables that look like secrets, and hold something that is not another variable."""
    # of words that make one, whole ones alone: a TOKENIZER is none, and a path to a file is none
    looks = r"(.*_)?(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|PRIVATE_KEY)"
    given = {name: text for name, text in app.environment.items() if re.fullmatch(looks, name.upper())}
    return [name for name, text in given.items() if text and not re.match(r"\$\(|/", text)]


_CHECKS = (
    _scale,
    _hosts,
    _issuer,
    _variables,
    _database_variables,
    _traces_variables,
    _references,
    _large,
    _places,
    _destinations,
    _restore,
    _database_name,
    _extensions,
    _strategy,
    _discard,
)
