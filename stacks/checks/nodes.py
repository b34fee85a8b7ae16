"""Checks of the nodes' number, names, addresses and host keys, and of `maxUnavailable`."""

from collections import Counter
from collections.abc import Callable

from components.cluster.k3s.options import DEFAULT_CLUSTER_DOMAIN, as_tuple
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.errors import Findings
from components.settings.model import camel_case


def _server_count(cluster: ClusterSettings) -> Findings:
    count = len(cluster.servers)
    if count % 2 == 0:
        reason = f"has {count} servers, but an even number of servers tolerates no more failures than {count - 1}"
        yield ("nodes",), reason, f"use {count - 1} or {count + 1} servers"


def _unique(key: str, read: Callable[[NodeSettings], str | None], fix: str) -> Callable[[ClusterSettings], Findings]:
    def check(cluster: ClusterSettings) -> Findings:
        first: dict[str, str] = {}
        for index, node in enumerate(cluster.nodes):
            value = read(node)
            if value in first:
                yield ("nodes", index, key), f"is already used by {first[value]}", fix
            elif value is not None:
                first[value] = f"nodes[{index}]" if key == "name" else node.name

    return check


def _addresses(cluster: ClusterSettings) -> Findings:
    first: dict[str, str] = {}
    for field in ("address", "second_address"):
        for index, node in enumerate(cluster.nodes):
            address: str | None = getattr(node, field)
            if address in first:
                fix = "give every node its own address"
                yield ("nodes", index, camel_case(field)), f"is already used by {first[address]}", fix
            elif address is not None:
                first[address] = node.name


def _max_unavailable(cluster: ClusterSettings) -> Findings:
    agents = len(cluster.agents)
    if "max_unavailable" in cluster.model_fields_set and cluster.max_unavailable > max(agents, 1):
        reason = "is more than the number of agents" if agents else "has no effect: the cluster has no agents"
        yield ("maxUnavailable",), reason, f"use at most {agents}" if agents else "leave it out"


def _discard(cluster: ClusterSettings) -> Findings:
    names = {node.name for node in cluster.nodes}
    for index, name in enumerate(cluster.discard):
        if name in names:
            yield (
                ("discard", index),
                "is still in nodes",
                "to remove the node, delete its entry in nodes; to keep the node, delete its name in discard",
            )


def _domain(cluster: ClusterSettings) -> Findings:
    """Yield an error if the lab's domain is in the cluster domain, because the cluster's DNS server would answer
    queries for the lab's names."""
    configured = as_tuple(cluster.k3s.server_options.get("cluster-domain", DEFAULT_CLUSTER_DOMAIN))
    for name in map(str, configured):
        if f".{cluster.domain}".endswith(f".{name}"):
            reason = (
                f"is in the cluster domain {name}, in which the cluster's DNS server has only the names of Services"
            )
            yield ("domain",), reason, "use a domain of your own, such as lab.example.com"


def _taints(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    parts = [(taint.partition("=")[0].partition(":")[0], taint.rpartition(":")[2]) for taint in node.taints]
    for (key, effect), count in Counter(parts).items():
        if count > 1:
            yield ("taints",), f"contains {key}:{effect} {count} times", "keep one of them"


CLUSTER_CHECKS = (
    _server_count,
    _unique("name", lambda node: node.name, "give every node its own name"),
    _addresses,
    _unique(
        "hostKey",
        lambda node: node.host_key,
        "read the key from the machine itself; if machines were cloned, create new host keys on the clones",
    ),
    _max_unavailable,
    _discard,
    _domain,
)
NODE_CHECKS = (_taints,)
