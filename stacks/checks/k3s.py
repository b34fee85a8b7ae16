"""Checks of the K3s version, K3s options, checksums and image registries in the stack file."""

from collections.abc import Mapping

from components.cluster.k3s.config import version_numbers
from components.cluster.k3s.options import AGENT_OPTIONS, ALIASES, RESERVED_OPTIONS, SAME_ON_SERVERS, SERVER_OPTIONS
from components.cluster.k3s.settings import Options
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.errors import Findings
from stacks.catalog import K3S_VERSION
from stacks.validation_errors import suggest_fix

OLDEST_VERSION = (1, 30)
LAST_PATCHES = {30: 14, 31: 14, 32: 13, 33: 13}
"""Last patch release of each Kubernetes minor version that gets no more patch releases
(https://kubernetes.io/releases/patch-releases)."""
S3_RETENTION_SINCE = {31: 12, 32: 8, 33: 4}
"""First releases of K3s with the option `etcd-s3-retention` (https://github.com/k3s-io/k3s/pull/12669)."""
_FURTHER_MINORS = 12
"""Kubernetes has three minor releases a year, so homelab accepts the releases of four more years."""
_KINDS = {
    "flag": ("true or false", "write true or false"),
    "value": ("a single value", "write text, a number, true or false"),
}
_ON_ALL_NODES = {name: kind for name, kind in SERVER_OPTIONS.items() if AGENT_OPTIONS.get(name) == kind}


def _version(cluster: ClusterSettings) -> Findings:
    """Yield an error if K3s is too old for ValidatingAdmissionPolicy, or if no such K3s release exists.

    homelab needs a ValidatingAdmissionPolicy to reject requests of app stacks outside the namespaces of apps.
    """
    major, minor, patch = version_numbers(cluster.k3s.version)
    loc, fix = ("k3s", "version"), f"use a release from https://github.com/k3s-io/k3s/releases, such as {K3S_VERSION}"
    if (major, minor) < OLDEST_VERSION:
        name = "v{}.{}".format(*OLDEST_VERSION)
        reason = f"is older than {name}, the first version with ValidatingAdmissionPolicy"
        yield loc, reason, f"use {name} or newer"
    elif major != OLDEST_VERSION[0] or minor > version_numbers(K3S_VERSION)[1] + _FURTHER_MINORS:
        yield loc, "is not a K3s release", fix
    elif patch > (last := LAST_PATCHES.get(minor, patch)):
        yield loc, f"is not a K3s release: the last patch release of v{major}.{minor} is v{major}.{minor}.{last}", fix


def _s3_retention(cluster: ClusterSettings) -> Findings:
    """Yield an error if the stack file sets the retention of etcd snapshots in S3, but the K3s release ignores it. K3s
    has the option since August 2025."""
    s3, (_, minor, patch) = cluster.k3s.snapshots.s3, version_numbers(cluster.k3s.version)
    if s3 is None or "retention" not in s3.model_fields_set or minor > max(S3_RETENTION_SINCE):
        return
    if patch < S3_RETENTION_SINCE.get(minor, patch + 1):
        releases = ", ".join(f"v1.{minor}.{patch}" for minor, patch in S3_RETENTION_SINCE.items())
        reason = f"has no effect: this setting needs K3s {releases} or newer"
        yield ("k3s", "snapshots", "s3", "retention"), reason, "use a newer k3s.version, or remove it"


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
        if name in ALIASES:
            long = ALIASES[name]
            problems.append((name, f"is short for {long}, which homelab manages", RESERVED_OPTIONS[long]))
        elif name in RESERVED_OPTIONS:
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


CLUSTER_CHECKS = (_version, _s3_retention, _options, _pinned_mirror, _disabled, _mirrors)
NODE_CHECKS = (_own_options,)
