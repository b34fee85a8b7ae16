"""Checks of an app's pods: containers, ports, probes, privileges and placement."""

from collections import Counter

from components.app import devices, security
from components.app.exposure import PORT
from components.app.pods import PRE_STOP_SECONDS
from components.app.probe_settings import AppProbeSettings
from components.app.settings import AppSettings
from components.app.volume_validation import tmpfs_size_problems
from components.settings.errors import Findings

_MAX_CRON_NAME = 52
"""Maximum length of a CronJob's name, to which Kubernetes appends a number for each Job."""


def _probes(app: AppSettings) -> Findings:
    liveness, startup = app.probes.liveness, app.probes.startup
    if liveness is not None and startup is None and liveness.period * liveness.failures < 10:
        reason = f"restarts a container that fails for {liveness.period * liveness.failures} s"
        yield ("probes", "liveness"), reason, "set period × failures to 10 s or more, or add a startup probe"


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
        if name != "readiness" and probe.timeout > probe.period:
            reason = f"is longer than period, which is {probe.period}"
            yield ("probes", name, "timeout"), reason, f"use {probe.period} or less"


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
        if number == (PORT, "TCP") and app.port != PORT:
            reason = f"is the HTTP port of the Service, which forwards to port {app.port}"
            yield ("ports", name, "port"), reason, f"set port: {PORT} for the app, or choose another port number"
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
        for index, volume in enumerate(settings.volumes):
            loc = ("cron", name, "volumes", index)
            if volume in settings.volumes[:index]:
                yield loc, f"lists {volume} again", "keep one of them"
            if volume not in app.volumes:
                yield loc, "is not a volume of the app", "use a name from volumes"
            elif app.volumes[volume].per_pod:
                yield loc, "is a separate volume for each replica", "remove it, or remove perPod"
            elif app.volumes[volume].access_mode == "ReadWriteOncePod":
                yield loc, "allows only one pod, the app's own (ReadWriteOncePod)", "remove it, or remove accessMode"


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
