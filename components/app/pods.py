"""Pod specs of an app: containers, environment variables, probes, volumes and volumeMounts."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pulumi

from components.app import (
    database,
    devices,
    dns,
    exposure,
    host_network,
    mariadb,
    monitoring,
    placement,
    probes,
    remote_secrets,
    security,
    server_waits,
    service_account,
    tracing,
    valkey,
    volumes,
)
from components.app.config_objects import ConfigSources, file_key
from components.app.container_settings import AppContainerSettings, AppWorkerSettings
from components.app.objects import labels, secret_variable, worker_labels
from components.app.platform_outputs import AppPlatformOutputs
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.platform.layer import resources, topology_spread

_FILES, _SECRET_FILES, _REMOTE_FILES = "files", "secret-files", "remote-secret-files"
_SECRET_MODE = 0o440
"""Mode of secret files: readable by their owner and the app's group."""
PRE_STOP_SECONDS = 5
"""Seconds for which a terminating pod still answers, until all proxies have removed the pod's endpoint."""
_DEFAULT_GRACE_PERIOD = 30
"""Kubernetes' default of terminationGracePeriodSeconds."""
_SHARED_MEMORY = "shared-memory"


def app_pod_spec(app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources) -> Json:
    """Return the pod spec of the app's Deployment, StatefulSet or Rollout."""
    init = [
        _extra_container(name, container, app, platform, sources) for name, container in app.init_containers.items()
    ]
    sidecars = [_extra_container(name, container, app, platform, sources) for name, container in app.sidecars.items()]
    return {
        **_pod_settings(app, sources, [*volumes.for_pods(app, app.volumes), *devices.for_pods(app)]),
        **host_network.pod_fields(app),
        **devices.gpu_pod_fields(app),
        "topologySpreadConstraints": placement.topology_spread_constraints(app) or topology_spread(labels(app)),
        **({"initContainers": init} if init else {}),
        "containers": [_app_container(app, platform, sources), *sidecars],
    }


def job_pod_spec(
    name: str, settings: AppContainerSettings, app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources
) -> Json:
    """Return the pod spec of a Job, which mounts only the volumes that its settings list."""
    container = _extra_container(name, settings, app, platform, sources)
    init = server_waits.init_containers(app, sources.server_images)
    return {
        **_pod_settings(app, sources, volumes.for_job(app, settings.mounted_volumes)),
        **same_node_affinity(app, settings.mounted_volumes),
        "restartPolicy": "Never",
        **({"initContainers": init} if init else {}),
        "containers": [container | {"volumeMounts": list(_mounts(app, settings.mounted_volumes))}],
    }


def placement_fields(app: AppSettings, mounted: Iterable[str]) -> dict[str, Json]:
    """Return the fields of a pod spec that select nodes where a pod can mount these volumes of the app."""
    return {**placement.pod_fields(app), **same_node_affinity(app, mounted)}


def same_node_affinity(app: AppSettings, mounted: Iterable[str]) -> dict[str, Json]:
    """Return the podAffinity to the app's pod if the Job mounts a single-pod volume, and no fields otherwise.

    A ReadWriteOnce volume is attached to one node, so a Job that mounts the volume must run on the node of the app's
    pod.
    """
    if not any(app.volumes[volume].is_single_pod for volume in mounted):
        return {}
    app_node = {"labelSelector": {"matchLabels": labels(app)}, "topologyKey": placement.HOSTNAME_LABEL}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [app_node]}}}


def worker_pod_spec(
    name: str, settings: AppWorkerSettings, app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources
) -> Json:
    """Return the pod spec of a worker's Deployment."""
    container = _extra_container(name, settings, app, platform, sources) | {
        **({"lifecycle": {"preStop": {"exec": {"command": list(settings.stop)}}}} if settings.stop else {}),
        **probes.container_fields(settings.probes, app),
        "volumeMounts": list(_mounts(app, settings.volumes)),
    }
    return {
        **_pod_settings(app, sources, volumes.for_pods(app, settings.volumes), settings.grace_period),
        "topologySpreadConstraints": topology_spread(worker_labels(app, name)),
        "containers": [container],
    }


def _pod_settings(
    app: AppSettings, sources: ConfigSources, app_volumes: Iterable[Json], grace_period: int | None = None
) -> dict[str, Json]:
    seconds = grace_period or app.grace_period
    return {
        **service_account.pod_fields(app),
        "enableServiceLinks": False,
        "securityContext": security.pod_context(app),
        **({"imagePullSecrets": [{"name": sources.image_pull_secret}]} if app.image_pull_secret else {}),
        **placement.pod_fields(app),
        **dns.pod_fields(app),
        **({"terminationGracePeriodSeconds": seconds} if seconds != _DEFAULT_GRACE_PERIOD else {}),
        "volumes": [*_volumes(app, sources), *app_volumes],
    }


def _app_container(app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources) -> Json:
    return {
        "name": app.name,
        "image": app.image,
        **_program(app.command, app.args),
        "ports": list(_ports(app)),
        "env": list(_environment(app, platform, sources, app.environment)),
        "resources": _with_limits(resources(app.cpu, app.memory), devices.gpu_limits(app)),
        "securityContext": security.app_container_context(app),
        "lifecycle": {"preStop": _pre_stop(app)},
        **probes.container_fields(app.probes, app),
        "volumeMounts": [*_mounts(app, app.volumes), *devices.mounts(app)],
    }


def _with_limits(requested: Json, limits: Mapping[str, Json]) -> Json:
    return {**requested, "limits": {**requested["limits"], **limits}}


def _extra_container(
    name: str, settings: AppContainerSettings, app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources
) -> Json:
    """Return the container spec of an additional container, which inherits all app settings that the container does not
    override."""
    return {
        "name": name,
        "image": settings.image or app.image,
        **_program(settings.command, settings.args),
        "env": list(_environment(app, platform, sources, {**app.environment, **settings.environment})),
        "resources": resources(settings.cpu or app.cpu, settings.memory or app.memory),
        "securityContext": security.container_context(app),
        "volumeMounts": list(_mounts(app, app.volumes)),
    }


def _program(command: Sequence[str], args: Sequence[str]) -> dict[str, Json]:
    return ({"command": list(command)} if command else {}) | ({"args": list(args)} if args else {})


def _ports(app: AppSettings) -> Iterator[Json]:
    yield {"name": "http", "containerPort": app.port, "protocol": "TCP"}
    listed = {(app.port, "TCP")}
    for name, port in app.ports.items():
        if (port.in_pods, port.protocol) not in listed:
            listed.add((port.in_pods, port.protocol))
            yield {"name": name, "containerPort": port.in_pods, "protocol": port.protocol}
    if (number := monitoring.additional_port(app)) is not None:
        yield {"containerPort": number, "protocol": "TCP"}  # Prometheus scrapes only ports in the pod spec


def _pre_stop(app: AppSettings) -> Json:
    return {"exec": {"command": list(app.stop)}} if app.stop else {"sleep": {"seconds": PRE_STOP_SECONDS}}


def _environment(
    app: AppSettings, platform: AppPlatformOutputs, sources: ConfigSources, variables: Mapping[str, str]
) -> Iterator[Json]:
    """Yield a container's variables.

    The entries of `variables` come last, because Kubernetes expands only references to earlier environment variables.
    """
    yield from database.environment(app, sources.roles)
    yield from mariadb.environment(app, sources.mariadb)
    yield from valkey.environment(app, sources.valkey)
    yield from tracing.environment(app, platform)
    yield from exposure.environment(app, platform, variables)
    for name in app.secrets:
        yield secret_variable(name, sources.secrets, name)
    yield from remote_secrets.environment(app)
    for name, value in variables.items():
        yield {"name": name, "value": value}


def _volumes(app: AppSettings, sources: ConfigSources) -> Iterator[Json]:
    if app.files:
        yield {"name": _FILES, "configMap": {"name": sources.files}}
    if app.secret_files:
        yield _secret_volume(_SECRET_FILES, sources.secrets, app.secret_files)
    if app.remote_secret_files:
        yield _secret_volume(_REMOTE_FILES, remote_secrets.secret_name(app), app.remote_secret_files)
    for index, _ in enumerate(app.scratch):
        yield {"name": f"scratch-{index}", "emptyDir": {}}
    if app.shared_memory:
        yield {"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": app.shared_memory}}


def _secret_volume(name: str, secret: pulumi.Input[str] | None, paths: Iterable[str]) -> Json:
    items = [{"key": file_key(path), "path": file_key(path)} for path in paths]
    return {"name": name, "secret": {"secretName": secret, "items": items, "defaultMode": _SECRET_MODE}}


def _mounts(app: AppSettings, mounted: Iterable[str]) -> Sequence[Json]:
    entries: list[Json] = list(volumes.mounts(app, mounted))
    entries += [{"name": f"scratch-{index}", "mountPath": path} for index, path in enumerate(app.scratch)]
    entries += [{"name": _SHARED_MEMORY, "mountPath": "/dev/shm"}] if app.shared_memory else []  # noqa: S108
    secret_files = ((_SECRET_FILES, app.secret_files), (_REMOTE_FILES, app.remote_secret_files))
    for name, paths in ((_FILES, app.files), *secret_files):
        entries += [
            {"name": name, "mountPath": path, "subPath": file_key(path), "readOnly": True} for path in sorted(paths)
        ]
    return entries
