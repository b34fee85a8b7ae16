"""Checks of an app's pods: containers, ports, probes, privileges and placement."""

from collections import Counter
from collections.abc import Iterator, Sequence

from components.app import devices, security, server_waits
from components.app.exposure import PORT
from components.app.pods import PRE_STOP_SECONDS
from components.app.probe_settings import AppProbeSettings, AppProbesSettings, AppWorkerProbesSettings
from components.app.settings import AppSettings
from components.app.volume_validation import tmpfs_size_problems
from components.settings.errors import Findings
from components.settings.model import camel_case

_MAX_CRON_NAME = 52
"""Maximum length of a CronJob's name, to which Kubernetes appends a number for each Job."""


def _probes(app: AppSettings) -> Findings:
    yield from ((("probes", *loc), reason, fix) for loc, reason, fix in liveness_problems(app.probes))


def liveness_problems(probes: AppProbesSettings | AppWorkerProbesSettings) -> Findings:
    """Reject a liveness probe that restarts a container after less than ten seconds of failed probes."""
    liveness, startup = probes.liveness, probes.startup
    if liveness is not None and startup is None and liveness.period * liveness.failures < 10:
        reason = f"restarts a container that fails for {liveness.period * liveness.failures} s"
        yield ("liveness",), reason, "set period × failures to 10 s or more, or add a startup probe"


def _probe_kinds(app: AppSettings) -> Findings:
    for name in type(app.probes).model_fields:
        probe: AppProbeSettings | None = getattr(app.probes, name)
        if probe is None:
            continue
        kinds = [key for key in ("path", "command", "grpc") if getattr(probe, key)]
        if len(kinds) > 1:
            yield ("probes", name), f"must not have {' and '.join(kinds)}", "keep one of them"
        if probe.command and probe.port:
            yield ("probes", name, "port"), "has no effect with command", "remove it"
        for key in ("scheme", "http_headers"):
            if key in probe.model_fields_set and not probe.path:
                yield ("probes", name, camel_case(key)), "has no effect without path", "add path, or remove it"
        yield from ((("probes", name, *loc), reason, fix) for loc, reason, fix in timeout_problems(name, probe))


def timeout_problems(name: str, probe: AppProbeSettings) -> Findings:
    """Reject a startup or liveness probe whose timeout is longer than its period."""
    if name != "readiness" and probe.timeout > probe.period:
        reason = f"is longer than period, which is {probe.period}"
        yield ("timeout",), reason, f"use {probe.period} or less"


def _termination(app: AppSettings) -> Findings:
    if not app.stop and app.grace_period <= PRE_STOP_SECONDS:
        reason = f"leaves the program no time to stop after the preStop hook of {PRE_STOP_SECONDS} seconds"
        yield ("gracePeriod",), reason, f"use {PRE_STOP_SECONDS + 1} or more, or set stop"


def _shared_memory(app: AppSettings) -> Findings:
    if app.shared_memory:
        yield from tmpfs_size_problems(app, ("sharedMemory",), app.shared_memory)


def _node_labels(app: AppSettings) -> Findings:
    for key, setting in (("kubernetes.io/arch", "arch"), ("kubernetes.io/hostname", "a volume or device")):
        value = app.arch if setting == "arch" else devices.required_node(app)
        if key in app.nodes and value:
            yield ("nodes", key), f"is already set by {setting}", "remove it"


def _rights(app: AppSettings) -> Findings:
    if app.privileged and app.capabilities:
        yield ("capabilities",), "has no effect: privileged includes all capabilities", "remove one of the two"
    for name, count in Counter(app.capabilities).items():
        if count > 1:
            yield ("capabilities",), f"lists {name} {count} times", "keep one of them"
    if security.group(app) in app.supplemental_groups:
        yield ("supplementalGroups",), f"contains {security.group(app)}, which is the app's own group", "remove it"


def _ports(app: AppSettings) -> Findings:
    taken: dict[tuple[int, str], str] = {}
    for name, port in app.ports.items():
        number = (port.port, port.protocol)
        if name == "http":
            yield ("ports", name), "is reserved for `port`", "choose another name"
        if number == (PORT, "TCP") and port.in_pods != app.port:
            reason = f"is already the HTTP port of the Service, which forwards to the app's port {app.port}"
            fix = f"set targetPort: {app.port}, or choose another port number"
            yield ("ports", name, "port"), reason, fix
        if port.target_port == port.port:
            yield ("ports", name, "targetPort"), "has no effect: the default is the value of port", "remove it"
        if number in taken:
            reason = f"is {port.protocol} {port.port}, like {taken[number]}"
            yield ("ports", name), reason, "keep one of them"
        taken.setdefault(number, name)
    if app.load_balancer and not app.ports:
        yield ("loadBalancer",), "needs ports", "add them, such as ports: {mqtt: {port: 1883}}"
    if app.load_balancer and "from_" in app.load_balancer.model_fields_set and not app.load_balancer.from_:
        fix = "list the CIDRs that may connect, or remove it to allow all addresses outside the cluster"
        yield ("loadBalancer", "from"), "is empty", fix
    if app.load_balancer and app.strategy and app.strategy.blue_green:
        reason = "would send requests to the new version before the blue-green switch"
        yield ("loadBalancer",), reason, "remove it, or use strategy.canary"


def _paths(app: AppSettings) -> Findings:
    if "paths" in app.model_fields_set and not app.hosts:
        yield ("paths",), "has no effect without hosts", "add hosts, or remove paths"
    for path, count in Counter(app.paths).items():
        if count > 1:
            yield ("paths",), f"lists {path} {count} times", "keep one of them"


def _container_names(app: AppSettings) -> Findings:
    """Reject two containers with the same name in a pod."""
    taken = [app.name]
    for section, containers in (("sidecars", app.sidecars), ("initContainers", app.init_containers)):
        for name in containers:
            if name in taken:
                yield (section, name), "is the name of another container of the pod", "choose another name"
            taken.append(name)


def _cron(app: AppSettings) -> Findings:
    for name, settings in app.cron.items():
        if len(f"{app.name}-{name}") > _MAX_CRON_NAME:
            reason = f"results in the name {app.name}-{name}, which has more than {_MAX_CRON_NAME} characters"
            yield ("cron", name), reason, "use a shorter name"
        if name in server_waits.names(app):
            reason = "is the name of the init container that waits for the app's server"
            yield ("cron", name), reason, "choose another name"
        for index, volume in enumerate(settings.volumes):
            for reason, fix in mount_problems(app, settings.volumes, index):
                yield ("cron", name, "volumes", index), reason, fix
            if _is_mountable(app, volume) and app.volumes[volume].access_mode == "ReadWriteOncePod":
                reason = "has the access mode ReadWriteOncePod, so only the app's own pod can mount it"
                yield ("cron", name, "volumes", index), reason, "remove it here, or remove the volume's accessMode"


def mount_problems(app: AppSettings, mounted: Sequence[str], index: int) -> Iterator[tuple[str, str]]:
    """Yield the reason and the fix of each error in `mounted[index]`, the name of a volume that a Job or worker
    mounts."""
    volume = mounted[index]
    if volume in mounted[:index]:
        yield f"lists {volume} again", "keep one of them"
    if volume not in app.volumes:
        yield "is not a volume of the app", "use a name from volumes"
    elif app.volumes[volume].per_pod:
        yield "is a separate volume for each replica", "remove it, or remove perPod"


def _is_mountable(app: AppSettings, volume: str) -> bool:
    return volume in app.volumes and not app.volumes[volume].per_pod


POD_CHECKS = (
    _probes,
    _probe_kinds,
    _termination,
    _shared_memory,
    _node_labels,
    _rights,
    _ports,
    _paths,
    _container_names,
    _cron,
)
