"""Checks of the K3s version, K3s options, checksums and image registries in the stack file."""

from collections.abc import Mapping

from components.cluster.k3s.options import AGENT_OPTIONS, RESERVED_OPTIONS, SAME_ON_SERVERS, SERVER_OPTIONS
from components.cluster.k3s.settings import Options
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.errors import Findings
from stacks.validation_errors import suggest_fix

OLDEST_VERSION = (1, 30)
_KINDS = {
    "flag": ("true or false", "write true or false"),
    "value": ("a single value", "write text, a number, true or false"),
}
_ON_ALL_NODES = {name: kind for name, kind in SERVER_OPTIONS.items() if AGENT_OPTIONS.get(name) == kind}


def _version(cluster: ClusterSettings) -> Findings:
    """Yield an error if K3s is too old for ValidatingAdmissionPolicy, which limits the permissions of app stacks."""
    major, minor, *_ = cluster.k3s.version.removeprefix("v").split(".")
    if (int(major), int(minor)) < OLDEST_VERSION:
        name = "v{}.{}".format(*OLDEST_VERSION)
        yield (
            ("k3s", "version"),
            f"is older than {name}, the first version with ValidatingAdmissionPolicy",
            f"use {name} or newer",
        )


def _options(cluster: ClusterSettings) -> Findings:
    for key, options, known, other in (
        (
            "options",
            cluster.k3s.options,
            _ON_ALL_NODES,
            {"serverOptions": SERVER_OPTIONS, "agentOptions": AGENT_OPTIONS},
        ),
        ("serverOptions", cluster.k3s.server_options, SERVER_OPTIONS, {"agentOptions": AGENT_OPTIONS}),
        ("agentOptions", cluster.k3s.agent_options, AGENT_OPTIONS, {"serverOptions": SERVER_OPTIONS}),
    ):
        for name, reason, fix in _option_problems(options, known, other):
            yield ("k3s", key, name), reason, fix


def _option_problems(
    options: Options, known: Mapping[str, str], others: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str, str]]:
    problems = []
    for name, value in options.items():
        elsewhere = next((key for key, names in others.items() if name in names), None)
        if name in RESERVED_OPTIONS:
            problems.append((name, "is managed by homelab", RESERVED_OPTIONS[name]))
        elif name not in known and elsewhere:
            only = "servers" if elsewhere == "serverOptions" else "agents"
            problems.append((name, f"is an option of {only} only", f"move it to k3s.{elsewhere}"))
        elif name not in known:
            problems.append((name, "is not an option of K3s", suggest_fix(name, set(known) - set(RESERVED_OPTIONS))))
        elif not _fits(known[name], value):
            required, fix = _KINDS[known[name]]
            problems.append((name, f"must be {required}", fix))
    return problems


def _fits(kind: str, value: object) -> bool:
    return kind == "list" or (isinstance(value, bool) if kind == "flag" else not isinstance(value, tuple))


def _own_options(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    known, others = (
        (SERVER_OPTIONS, {"agentOptions": AGENT_OPTIONS})
        if node.role == "server"
        else (AGENT_OPTIONS, {"serverOptions": SERVER_OPTIONS})
    )
    for name, reason, fix in _option_problems(node.options, known, others):
        yield ("options", name), reason, fix
    for name in sorted(SAME_ON_SERVERS & set(node.options)):
        if node.role == "server":
            yield ("options", name), "must be the same on every server", "move it to k3s.serverOptions"


def _pinned_mirror(cluster: ClusterSettings) -> Findings:
    mirror = cluster.k3s.mirror
    if mirror is None or not mirror.startswith("http://"):
        return
    declared = [node.arch or "any" for node in cluster.nodes]
    architectures = ("amd64", "arm64", "arm") if "any" in declared else tuple(dict.fromkeys(declared))
    missing = [name for name in (*architectures, "installer") if getattr(cluster.k3s.pins, name) is None]
    if missing:
        reason = f"is http, but these pins are missing: {', '.join(missing)}"
        fix = "add the pins with `./homelab pin --official`, or use https"
        if "any" in declared:
            fix += "; nodes without arch need the pins of all architectures"
        yield ("k3s", "mirror"), reason, fix


def _disabled(cluster: ClusterSettings) -> Findings:
    if len(set(cluster.k3s.disable)) < len(cluster.k3s.disable):
        yield ("k3s", "disable"), "contains a component twice", "keep one of each"


def _mirrors(cluster: ClusterSettings) -> Findings:
    registries = cluster.registries
    if registries.embedded and not registries.mirrors:
        reason = "is true, but mirrors lists no registry"
        yield (
            ("registries", "embedded"),
            reason,
            'list the registries whose images nodes share, such as mirrors: {"*": {}}',
        )
    for name, mirror in registries.mirrors.items():
        if not mirror.endpoints and not registries.embedded:
            yield ("registries", "mirrors", name), "has no endpoints", "add endpoints, or set registries.embedded: true"


CLUSTER_CHECKS = (_version, _options, _pinned_mirror, _disabled, _mirrors)
NODE_CHECKS = (_own_options,)
