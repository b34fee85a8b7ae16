"""A pod of an app: its containers, what they read, keep, and are asked."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from components.app import database, place, remote, security, traces, volumes
from components.app.container_settings import AppContainerSettings
from components.app.objects import labels
from components.app.probe_settings import AppProbeSettings
from components.app.read import Read, key
from components.app.settings import AppSettings
from components.app.surroundings import Surroundings
from components.layer import resources, spread
from components.manifest import Tree

_FILES, _SECRET_FILES = "files", "secret-files"
_MODE = 0o440
"""Who may read files that are secrets: the app's group."""
DRAIN_SECONDS = 5
"""How long a pod that ends still answers, until everybody knows that it does."""
_TIMEOUT, _GRACE_PERIOD = 1, 30
"""What Kubernetes takes where nothing is said."""
_SHARED_MEMORY = "shared-memory"


def of_app(app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    """Return a pod of the app itself."""
    prepared = [_further(name, each, app, platform, read) for name, each in app.init_containers.items()]
    beside = [_further(name, each, app, platform, read) for name, each in app.sidecars.items()]
    return {
        **_around(app, read, volumes.of_pods(app, app.volumes)),
        "topologySpreadConstraints": spread(labels(app)),
        **({"initContainers": prepared} if prepared else {}),
        "containers": [_own(app, platform, read), *beside],
    }


def of_job(name: str, given: AppContainerSettings, app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    """Return a pod that does one thing and ends, with those of the app's volumes that it is to have."""
    container = _further(name, given, app, platform, read)
    near = {"labelSelector": {"matchLabels": labels(app)}, "topologyKey": place.HOSTNAME}
    # a volume that one pod writes is on the machine of that pod
    beside = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near]}}
    return {
        **_around(app, read, volumes.of_job(app, given.mounted)),
        **({"affinity": beside} if any(app.volumes[each].single for each in given.mounted) else {}),
        "restartPolicy": "Never",
        "containers": [container | {"volumeMounts": list(_mounts(app, given.mounted))}],
    }


def _around(app: AppSettings, read: Read, kept: Iterable[Tree]) -> dict[str, Tree]:
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": security.of_pod(app),
        **({"imagePullSecrets": [{"name": read.pull}]} if app.image_pull_secret else {}),
        **place.of(app),
        **({"terminationGracePeriodSeconds": app.grace_period} if app.grace_period != _GRACE_PERIOD else {}),
        "volumes": [*_volumes(app, read), *kept],
    }


def _own(app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    probes = {f"{name}Probe": _probe(probe, app) for name, probe in app.probes if probe is not None}
    return {
        "name": app.name,
        "image": app.image,
        **_program(app.command, app.args),
        "ports": list(_ports(app)),
        "env": list(_environment(app, platform, read, app.environment)),
        "resources": resources(app.cpu, app.memory),
        "securityContext": security.of_container(app),
        "lifecycle": {"preStop": _stop(app)},
        **probes,
        "volumeMounts": list(_mounts(app, app.volumes)),
    }


def _further(name: str, given: AppContainerSettings, app: AppSettings, platform: Surroundings, read: Read) -> Tree:
    """A container beside the app's own, or instead of it: it has what the app has, and says what differs."""
    return {
        "name": name,
        "image": given.image or app.image,
        **_program(given.command, given.args),
        "env": list(_environment(app, platform, read, {**app.environment, **given.environment})),
        "resources": resources(given.cpu or app.cpu, given.memory or app.memory),
        "securityContext": security.of_container(app),
        "volumeMounts": list(_mounts(app, app.volumes)),
    }


def _program(command: Sequence[str], args: Sequence[str]) -> dict[str, Tree]:
    return ({"command": list(command)} if command else {}) | ({"args": list(args)} if args else {})


def _ports(app: AppSettings) -> Iterator[Tree]:
    yield {"name": "http", "containerPort": app.port, "protocol": "TCP"}
    for name, each in app.ports.items():
        if (each.port, each.protocol) != (app.port, "TCP"):
            yield {"name": name, "containerPort": each.port, "protocol": each.protocol}


def _stop(app: AppSettings) -> Tree:
    return {"exec": {"command": list(app.stop)}} if app.stop else {"sleep": {"seconds": DRAIN_SECONDS}}


def _environment(app: AppSettings, platform: Surroundings, read: Read, variables: Mapping[str, str]) -> Iterator[Tree]:
    """Yield the variables; those that others may name come before them."""
    yield from database.environment(app)
    yield from traces.environment(app, platform)
    for name in app.secrets:
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": read.secrets, "key": name}}}
    yield from remote.environment(app)
    for name, value in variables.items():
        yield {"name": name, "value": value}


def _probe(probe: AppProbeSettings, app: AppSettings) -> Tree:
    times = {
        "periodSeconds": probe.period,
        "failureThreshold": probe.failures,
        **({"initialDelaySeconds": probe.delay} if probe.delay else {}),
        **({"timeoutSeconds": probe.timeout} if probe.timeout != _TIMEOUT else {}),
    }
    return _question(probe, app) | times


def _question(probe: AppProbeSettings, app: AppSettings) -> Tree:
    if probe.command:
        return {"exec": {"command": list(probe.command)}}
    if probe.grpc:
        return {"grpc": {"port": probe.port or app.port}}  # which takes no name of a port
    port = probe.port or "http"
    return {"httpGet": {"path": probe.path, "port": port}} if probe.path else {"tcpSocket": {"port": port}}


def _volumes(app: AppSettings, read: Read) -> Iterator[Tree]:
    if app.files:
        yield {"name": _FILES, "configMap": {"name": read.files}}
    if app.secret_files:
        items = [{"key": key(path), "path": key(path)} for path in app.secret_files]
        yield {"name": _SECRET_FILES, "secret": {"secretName": read.secrets, "items": items, "defaultMode": _MODE}}
    for index, _ in enumerate(app.scratch):
        yield {"name": f"scratch-{index}", "emptyDir": {}}
    if app.shared_memory:
        yield {"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": app.shared_memory}}


def _mounts(app: AppSettings, mounted: Iterable[str]) -> Sequence[Tree]:
    found: list[Tree] = list(volumes.mounts(app, mounted))
    found += [{"name": f"scratch-{index}", "mountPath": path} for index, path in enumerate(app.scratch)]
    found += [{"name": _SHARED_MEMORY, "mountPath": "/dev/shm"}] if app.shared_memory else []  # noqa: S108
    for name, paths in ((_FILES, app.files), (_SECRET_FILES, app.secret_files)):
        found += [{"name": name, "mountPath": path, "subPath": key(path), "readOnly": True} for path in sorted(paths)]
    return found
