"""On which machines an app runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.app import volumes
from components.app.settings import AppSettings
from components.manifest import Tree

HOSTNAME, ARCH = "kubernetes.io/hostname", "kubernetes.io/arch"
_ROLES = {"server": ("control-plane", "etcd"), "agent": ()}
"""What K3s labels machines with, after `node-role.kubernetes.io/`."""
Lacking = tuple[str, str, str]
"""A setting that the machines cannot meet, the reason, the fix."""


def of(app: AppSettings) -> dict[str, Tree]:
    """Return what of a pod says where it runs."""
    selector, tolerated = labels(app), [_toleration(taint) for taint in app.tolerations]
    return ({"nodeSelector": selector} if selector else {}) | ({"tolerations": tolerated} if tolerated else {})


def labels(app: AppSettings) -> dict[str, str]:
    """Return the labels of the machines on which it runs, which are all without any."""
    machine = volumes.node(app)
    own = {HOSTNAME: machine} if machine else {}
    return {**app.nodes, **({ARCH: app.arch} if app.arch else {}), **own}


def lacking(app: AppSettings, machines: Sequence[Mapping[str, Any]]) -> Iterator[Lacking]:
    """Yield what keeps the app from every machine of the platform; of an older one too little is known."""
    names = [each["name"] for each in machines]
    for name, volume in app.volumes.items():
        if volume.host_path and volume.host_path.node not in names:
            fix = f"use one of: {', '.join(names)}"
            yield f"volumes.{name}.hostPath.node", "is no node of the platform", fix
            return
    if not all("labels" in each for each in machines):
        return
    against = {each["name"]: _against(app, each) for each in machines}
    if all(against.values()):
        found = ", ".join(f"{name} {reason}" for name, reason in against.items())
        key = next((key for key in ("arch", "nodes") if getattr(app, key)), "tolerations")
        yield key, f"leaves no node of the platform: {found}", "name what one of them has, or change cluster.nodes"


def _against(app: AppSettings, machine: Mapping[str, Any]) -> str:
    """Return what keeps the app from a machine, or nothing."""
    has = {HOSTNAME: machine["name"], "kubernetes.io/os": "linux", **machine["labels"]}
    has |= {f"node-role.kubernetes.io/{role}": "true" for role in _ROLES[machine["role"]]}
    for key, value in labels(app).items():
        if key == ARCH:
            if machine.get("arch") not in (None, value):
                return f"is {machine['arch']}"
        elif has.get(key) != value:
            return f"is not {key}={value}"
    for taint in machine["taints"]:
        if not taint.endswith(":PreferNoSchedule") and not _tolerated(app, taint):
            return f"has the taint {taint}"
    return ""


def _tolerated(app: AppSettings, taint: str) -> bool:
    key, _, effect = taint.partition(":")
    return bool({taint, f"{key.partition('=')[0]}:{effect}"} & set(app.tolerations))


def _toleration(taint: str) -> Tree:
    name, _, effect = taint.partition(":")
    key, equals, value = name.partition("=")
    same = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
    return {"key": key, **same, "effect": effect}
