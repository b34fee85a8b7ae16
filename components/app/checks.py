"""What must hold between the settings of an app, checked as far as they are right."""

from collections import Counter
from collections.abc import Iterator

from components.app import traces, volumes
from components.app.database import archive
from components.app.entrance import PORT
from components.app.objects import has_data
from components.app.probe_settings import AppProbeSettings
from components.app.settings import AppSettings
from components.app.volume_checks import volume_problems
from components.app.workload import DRAIN_SECONDS
from components.layer import Finding
from components.model import NotKnownError
from components.volumes import mebibytes

Findings = Iterator[Finding]
DATABASE_VARIABLES = ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "DATABASE_URL")
"""What an app with a database finds in its environment."""


def problems(app: AppSettings) -> Findings:
    """Yield every broken relation; one that needs a wrong field is passed over."""
    for check in _CHECKS:
        try:
            yield from check(app)
        except NotKnownError:
            continue
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
        yield from _taken(app, DATABASE_VARIABLES, "the app's database")


def _traces_variables(app: AppSettings) -> Findings:
    if app.traces:
        yield from _taken(app, traces.VARIABLES, "the app's traces")


def _taken(app: AppSettings, names: tuple[str, ...], what: str) -> Findings:
    given = (("environment", app.environment), ("secrets", app.secrets), ("remoteSecrets", app.remote_secrets))
    for section, theirs in given:
        for name in sorted(set(theirs) & set(names)):
            yield (section, name), f"is set for {what}", "take it out, or use another name"


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


def _questions(app: AppSettings) -> Findings:
    for name in type(app.probes).model_fields:
        probe: AppProbeSettings | None = getattr(app.probes, name)
        if probe is None:
            continue
        asked = [key for key in ("path", "command", "grpc") if getattr(probe, key)]
        if len(asked) > 1:
            yield ("probes", name), f"has {' and '.join(asked)}", "give one of them"
        if probe.command and probe.port:
            yield ("probes", name, "port"), "has no effect on command", "take it out"
        if name != "readiness" and probe.timeout > probe.period:
            yield (
                ("probes", name, "timeout"),
                f"is longer than period, which is {probe.period}",
                "give it period or less",
            )


def _end(app: AppSettings) -> Findings:
    if not app.stop and app.grace_period <= DRAIN_SECONDS:
        reason = f"leaves a pod no time after the {DRAIN_SECONDS} seconds for which it still answers"
        yield ("gracePeriod",), reason, f"make it {DRAIN_SECONDS + 1} or more, or give stop"


def _shared_memory(app: AppSettings) -> Findings:
    if app.shared_memory and mebibytes(app.shared_memory) >= mebibytes(app.memory):
        reason = f"is not less than the memory of the pod, {app.memory}, which counts it"
        yield ("sharedMemory",), reason, "make it smaller, or give the app more memory"


def _place(app: AppSettings) -> Findings:
    for key, other in (("kubernetes.io/arch", "arch"), ("kubernetes.io/hostname", "a volume's hostPath")):
        given = app.arch if other == "arch" else volumes.node(app)
        if key in app.nodes and given:
            yield ("nodes", key), f"is what {other} says", "take it out"


def _probes(app: AppSettings) -> Findings:
    liveness, startup = app.probes.liveness, app.probes.startup
    if liveness is not None and startup is None and liveness.period * liveness.failures < 10:
        reason = f"ends a pod {liveness.period * liveness.failures} s after it began to fail"
        yield ("probes", "liveness"), reason, "make period × failures 10 s or more, or add a startup probe"


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
    weights = [step.weight for step in given.canary.steps] if given.canary else []
    if weights != sorted(set(weights)):
        yield ("strategy", "canary", "steps"), "do not grow", "give each more weight than the one before it"


def _ports(app: AppSettings) -> Findings:
    taken: dict[tuple[int, str], str] = {}
    for name, each in app.ports.items():
        number = (each.port, each.protocol)
        if name == "http":
            yield ("ports", name), "is the name of `port`", "choose another name"
        if number == (PORT, "TCP") and app.port != PORT:
            reason = f"is the number under which its Service leads to port {app.port}"
            yield ("ports", name, "port"), reason, f"make it the app's port (port: {PORT}), or choose another number"
        if number in taken:
            reason = f"is {each.protocol} {each.port}, as {taken[number]} is"
            yield ("ports", name), reason, "keep one of them"
        taken.setdefault(number, name)
    if app.load_balancer and not app.ports:
        yield ("loadBalancer",), "has no ports to lead to", "add ports, such as ports: {mqtt: {port: 1883}}"
    if app.load_balancer and app.strategy and app.strategy.blue_green:
        reason = "leads to the new version before it takes over, which only the app's own Service waits for"
        yield ("loadBalancer",), reason, "take it out, or use strategy.canary"


def _paths(app: AppSettings) -> Findings:
    if "paths" in app.model_fields_set and not app.hosts:
        yield ("paths",), "has no hosts to apply to", "add hosts or take it out"
    for path, count in Counter(app.paths).items():
        if count > 1:
            yield ("paths",), f"names {path} {count} times", "keep one of them"


def _rights(app: AppSettings) -> Findings:
    if app.privileged and app.capabilities:
        yield ("capabilities",), "has no effect: privileged gives all of them", "take one of them out"
    for name, count in Counter(app.capabilities).items():
        if count > 1:
            yield ("capabilities",), f"names {name} {count} times", "keep one of them"
    group = app.user if app.group is None else app.group
    if group in app.supplemental_groups:
        yield ("supplementalGroups",), f"names {group}, which is the app's own group", "take it out"


def _discard(app: AppSettings) -> Findings:
    if app.discard and not has_data(app):
        yield ("discard",), "has nothing to apply to: the app keeps no data", "take it out"


_CHECKS = (
    _scale,
    _hosts,
    _issuer,
    _variables,
    _database_variables,
    _traces_variables,
    _places,
    _probes,
    _questions,
    _end,
    _shared_memory,
    _place,
    _destinations,
    _restore,
    _extensions,
    _strategy,
    _rights,
    _ports,
    _paths,
    _discard,
)
