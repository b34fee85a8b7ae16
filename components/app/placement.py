"""Placement of an app: the nodes on which the app can run."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from components.app import devices, host_network
from components.app.objects import labels
from components.app.settings import AppSettings
from components.kubernetes.manifest import Json
from components.settings.model import camel_case

HOSTNAME_LABEL, ARCH_LABEL = "kubernetes.io/hostname", "kubernetes.io/arch"
_MANY_APPS = 12
_ROLES = {"server": ("control-plane", "etcd"), "agent": ()}
"""Names in the `node-role.kubernetes.io/NAME` labels that K3s gives to nodes of each role."""
Unsatisfied = tuple[str, str, str]
"""A setting that no node satisfies, the reason, and the fix."""


def pod_fields(app: AppSettings) -> dict[str, Json]:
    """Return the fields of a pod spec that control the pod's placement."""
    selector, tolerations = required_labels(app), [_toleration(taint) for taint in app.tolerations]
    return ({"nodeSelector": selector} if selector else {}) | ({"tolerations": tolerations} if tolerations else {})


def topology_spread_constraints(app: AppSettings) -> list[Json]:
    """Return the topologySpreadConstraints of the app's settings."""
    return [
        {
            "maxSkew": constraint.max_skew,
            "topologyKey": constraint.topology_key,
            "whenUnsatisfiable": constraint.when_unsatisfiable,
            "labelSelector": {"matchLabels": labels(app)},
        }
        for constraint in app.topology_spread_constraints
    ]


def required_labels(app: AppSettings) -> dict[str, str]:
    """Return the labels that a node must have to run the app. An app that needs no node labels can run on any node."""
    name = devices.required_node(app)
    hostname = {HOSTNAME_LABEL: name} if name else {}
    return {**app.nodes, **({ARCH_LABEL: app.arch} if app.arch else {}), **hostname}


def unsatisfied(app: AppSettings, nodes: Sequence[Mapping[str, Any]]) -> Iterator[Unsatisfied]:
    """Yield an error for each app setting that no node of the platform satisfies.

    A platform deployed by a homelab version before 0.3.0 exports no labels and taints of its nodes.
    """
    names = [node["name"] for node in nodes]
    for setting, name in _named_nodes(app):
        if name not in names:
            yield setting, "is not a node of the platform", f"use one of: {', '.join(names)}"
            return
    if not all("labels" in node for node in nodes):
        return
    required = {**required_labels(app), **_gpu_labels(app, nodes)}
    mismatches = {node["name"]: _mismatch(app, node, required) for node in nodes}
    if all(mismatches.values()):
        reasons = ", ".join(f"{name} {reason}" for name, reason in mismatches.items())
        keys = ("arch", "nodes", "topology_spread_constraints")
        key = camel_case(next((key for key in keys if getattr(app, key)), "tolerations"))
        fix = "adapt the app to one of these nodes, or change cluster.nodes"
        yield key, f"fits no node of the platform: {reasons}", fix
    elif app.host_network:
        yield from _too_many_pods(app, list(mismatches.values()).count(""))


def _named_nodes(app: AppSettings) -> Iterator[tuple[str, str]]:
    """Yield the path of each app setting that names a node, with the node's name."""
    for name, volume in app.volumes.items():
        if volume.host_path:
            yield f"volumes.{name}.hostPath.node", volume.host_path.node
    for index, device in enumerate(app.devices):
        if device.node:
            yield f"devices[{index}].node", device.node


def _too_many_pods(app: AppSettings, available: int) -> Iterator[Unsatisfied]:
    """Yield an error if an app with hostNetwork has more replicas than matching nodes, because each node runs at most
    one of the pods."""
    setting, wanted = ("autoscaling.max" if app.autoscaling else "replicas"), _max_pods(app)
    if wanted > available:
        reason = f"requests {wanted} pods, but with hostNetwork each of the {available} matching nodes runs one pod"
        yield setting, reason, f"use {available} or less"


def _max_pods(app: AppSettings) -> int:
    return app.autoscaling.max if app.autoscaling else app.replicas or 1


def port_conflicts(apps: Mapping[str, AppSettings], nodes: Sequence[Mapping[str, Any]]) -> Iterator[Unsatisfied]:
    """Yield an error for each port that apps with hostNetwork open in more pods than the apps have matching nodes. On
    each node, only one pod can open the port.

    The keys of `apps` are the paths of the apps' settings, such as `homelab:apps.shop`.
    """
    if not all("labels" in node for node in nodes):
        return
    opened: dict[tuple[int, str], dict[str, str]] = {}
    for path, app in apps.items():
        for loc, number, protocol in host_network.listened_ports(app) if app.host_network else ():
            opened.setdefault((number, protocol), {}).setdefault(path, f"{path}.{'.'.join(loc)}")
    for (number, protocol), settings in opened.items():
        count = len(settings)
        # with many apps, check only pairs and all apps together: each additional app doubles the number of groups
        sizes = range(2, count + 1) if count <= _MANY_APPS else (2, count)
        groups = (group for size in sizes for group in combinations(settings, size))
        for group in groups:
            matching = {node for path in group for node in _matching_nodes(apps[path], nodes)}
            pods = sum(_max_pods(apps[path]) for path in group)
            if matching and pods > len(matching):
                others = " and ".join(settings[path] for path in group[:-1])
                reason = (
                    f"opens {protocol} port {number} on the nodes, like {others}: only one pod per node can open it, "
                )
                reason += f"so {pods} pods need {pods} nodes, but the matching nodes are {', '.join(sorted(matching))}"
                yield settings[group[-1]], reason, "choose another port, or other nodes"
                break


def _matching_nodes(app: AppSettings, nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    required = {**required_labels(app), **_gpu_labels(app, nodes)}
    return [str(node["name"]) for node in nodes if not _mismatch(app, node, required)]


def _gpu_labels(app: AppSettings, nodes: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """Return the labels of nodes with GPUs, or no labels if no node has these labels because the layer `gpu` is
    disabled."""
    labels = devices.gpu_labels(app)
    return labels if any(labels.items() <= node["labels"].items() for node in nodes) else {}


def _mismatch(app: AppSettings, node: Mapping[str, Any], required: Mapping[str, str]) -> str:
    """Return the reason why the app cannot run on a node, or an empty string."""
    node_labels = {HOSTNAME_LABEL: node["name"], "kubernetes.io/os": "linux", **node["labels"]}
    node_labels |= {f"node-role.kubernetes.io/{role}": "true" for role in _ROLES[node["role"]]}
    for key, value in required.items():
        if key == ARCH_LABEL:
            if node.get("arch") not in (None, value):
                return f"is {node['arch']}"
        elif node_labels.get(key) != value:
            return f"lacks the label {key}={value}"
    for constraint in app.topology_spread_constraints:
        if constraint.when_unsatisfiable == "DoNotSchedule" and constraint.topology_key not in node_labels:
            return f"lacks the label {constraint.topology_key} of topologySpreadConstraints"
    for taint in node["taints"]:
        if not taint.endswith(":PreferNoSchedule") and not _tolerated(app, taint):
            return f"has the taint {taint}"
    return ""


def _tolerated(app: AppSettings, taint: str) -> bool:
    key, _, effect = taint.partition(":")
    return bool({taint, f"{key.partition('=')[0]}:{effect}"} & set(app.tolerations))


def _toleration(taint: str) -> Json:
    name, _, effect = taint.partition(":")
    key, equals, value = name.partition("=")
    match = {"operator": "Equal", "value": value} if equals else {"operator": "Exists"}
    return {"key": key, **match, "effect": effect}
