"""What must hold of an app's pods: their containers, ports, probes, rights and place."""

from collections import Counter
from collections.abc import Iterator

from components.app import security, volumes
from components.app.entrance import PORT
from components.app.pods import DRAIN_SECONDS
from components.app.probe_settings import AppProbeSettings
from components.app.settings import AppSettings
from components.app.volume_checks import part_of_memory
from components.layer import Finding

Findings = Iterator[Finding]
_CRON_NAME = 52
"""How long the name of a CronJob may be, to which its Jobs add a number."""


def _probes(app: AppSettings) -> Findings:
    liveness, startup = app.probes.liveness, app.probes.startup
    if liveness is not None and startup is None and liveness.period * liveness.failures < 10:
        reason = f"ends a pod {liveness.period * liveness.failures} s after it began to fail"
        yield ("probes", "liveness"), reason, "make period × failures 10 s or more, or add a startup probe"


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
        reason = f"leaves the program no time after the {DRAIN_SECONDS} seconds of the preStop hook"
        yield ("gracePeriod",), reason, f"make it {DRAIN_SECONDS + 1} or more, or give stop"


def _shared_memory(app: AppSettings) -> Findings:
    if app.shared_memory:
        yield from part_of_memory(app, ("sharedMemory",), app.shared_memory)


def _place(app: AppSettings) -> Findings:
    for key, other in (("kubernetes.io/arch", "arch"), ("kubernetes.io/hostname", "a volume's hostPath")):
        given = app.arch if other == "arch" else volumes.node(app)
        if key in app.nodes and given:
            yield ("nodes", key), f"is already set by {other}", "take it out"


def _rights(app: AppSettings) -> Findings:
    if app.privileged and app.capabilities:
        yield ("capabilities",), "has no effect: privileged gives all of them", "take one of them out"
    for name, count in Counter(app.capabilities).items():
        if count > 1:
            yield ("capabilities",), f"names {name} {count} times", "keep one of them"
    if security.group(app) in app.supplemental_groups:
        yield ("supplementalGroups",), f"names {security.group(app)}, which is the app's own group", "take it out"


def _ports(app: AppSettings) -> Findings:
    taken: dict[tuple[int, str], str] = {}
    for name, each in app.ports.items():
        number = (each.port, each.protocol)
        if name == "http":
            yield ("ports", name), "is the name of `port`", "choose another name"
        if number == (PORT, "TCP") and app.port != PORT:
            reason = f"is the number of its Service for HTTP, which leads to port {app.port}"
            yield ("ports", name, "port"), reason, f"make it the app's port (port: {PORT}), or choose another number"
        if number in taken:
            reason = f"is {each.protocol} {each.port}, as {taken[number]} is"
            yield ("ports", name), reason, "keep one of them"
        taken.setdefault(number, name)
    if app.load_balancer and not app.ports:
        yield ("loadBalancer",), "has no ports", "add ports, such as ports: {mqtt: {port: 1883}}"
    if app.load_balancer and app.strategy and app.strategy.blue_green:
        reason = "would send requests to the new version before blueGreen switches to it"
        yield ("loadBalancer",), reason, "take it out, or use strategy.canary"


def _paths(app: AppSettings) -> Findings:
    if "paths" in app.model_fields_set and not app.hosts:
        yield ("paths",), "has no hosts to apply to", "add hosts or take it out"
    for path, count in Counter(app.paths).items():
        if count > 1:
            yield ("paths",), f"names {path} {count} times", "keep one of them"


def _names(app: AppSettings) -> Findings:
    """Containers of a pod have names of their own."""
    taken = [app.name]
    for key, found in (("sidecars", app.sidecars), ("initContainers", app.init_containers)):
        for name in found:
            if name in taken:
                yield (key, name), "is the name of another container of its pods", "choose another name"
            taken.append(name)


def _cron(app: AppSettings) -> Findings:
    for name, given in app.cron.items():
        if len(f"{app.name}-{name}") > _CRON_NAME:
            reason = f"makes the name {app.name}-{name}, of more than {_CRON_NAME} characters"
            yield ("cron", name), reason, "make it shorter"
        for index, volume in enumerate(given.volumes):
            place = ("cron", name, "volumes", index)
            if volume in given.volumes[:index]:
                yield place, f"names {volume} again", "keep one of them"
            if volume not in app.volumes:
                yield place, "is no volume of the app", "use a name that stands under volumes"
            elif app.volumes[volume].per_pod:
                yield place, "is not one volume: each replica has its own", "take it out, or take perPod out"
            elif app.volumes[volume].access_mode == "ReadWriteOncePod":
                yield place, "allows one pod, and the pod of the app has it", "take it out, or take accessMode out"


CHECKS = (_probes, _questions, _end, _shared_memory, _place, _rights, _ports, _paths, _names, _cron)
