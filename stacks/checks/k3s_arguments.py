"""Checks of the arguments of Kubernetes components in K3s options such as `kubelet-arg`."""

from collections.abc import Iterator

from components.cluster.k3s.arguments import RESERVED_ARGUMENTS, is_argument, parse_argument
from components.cluster.k3s.config import minor_version
from components.cluster.k3s.options import as_tuple
from components.cluster.k3s.removed import removed_arguments, removed_gates
from components.cluster.k3s.settings import Options
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.errors import Findings

_FORM_FIX = "write NAME or NAME=VALUE, with = and without spaces, such as max-pods=200"
_GATES = "feature-gates"
_BOOLEANS = ("1", "0", "t", "f", "true", "false")


def _arguments(cluster: ClusterSettings) -> Findings:
    for key, options in cluster.k3s.options_by_key.items():
        for name, reason, fix in _problems(options, cluster):
            yield ("k3s", key, name), reason, fix


def _own_arguments(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    for name, reason, fix in _problems(node.options, cluster):
        yield ("options", name), reason, fix


def _problems(options: Options, cluster: ClusterSettings) -> Iterator[tuple[str, str, str]]:
    minor = minor_version(cluster.k3s.version)
    for option, reserved in RESERVED_ARGUMENTS.items():
        entries = as_tuple(options.get(option, ()))
        if not all(map(is_argument, entries)):
            yield option, "contains an entry that is not an argument", _FORM_FIX
            continue
        removed = removed_arguments(option, minor)
        for name, value in map(parse_argument, entries):
            if name in reserved:
                yield option, f"sets {name}, which homelab manages", reserved[name]
            elif name in removed:
                yield option, f"sets {name}, which Kubernetes v1.{minor} no longer has", "remove it"
            elif name == _GATES:
                yield from ((option, *problem) for problem in _gate_problems(value, minor))


def _gate_problems(value: str, minor: int) -> Iterator[tuple[str, str]]:
    removed = removed_gates(minor)
    for gate, equals, state in (entry.strip().partition("=") for entry in value.split(",") if entry.strip()):
        if not equals or state.lower() not in _BOOLEANS:
            yield (
                "sets a feature gate without true or false",
                "write feature-gates=NAME=true or feature-gates=NAME=false",
            )
        elif gate in removed:
            reason = f"sets the feature gate {gate}, which Kubernetes v1.{minor} no longer has"
            yield reason, "remove the feature gate: Kubernetes always enables the feature, or has removed it"


CLUSTER_CHECKS = (_arguments,)
NODE_CHECKS = (_own_arguments,)
