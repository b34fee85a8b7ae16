"""Checks for conflicts between settings of the cluster.

If a check reads an invalid setting, homelab skips the check.
"""

from collections.abc import Iterable, Iterator

from components.cluster.settings import ClusterSettings
from components.settings.errors import Findings
from components.settings.model import UnknownValueError
from stacks.checks import api, hardening, k3s, network, nodes, ssh
from stacks.checks.finding import T, nodes_with

_OF_CLUSTER = (
    *nodes.CLUSTER_CHECKS,
    *api.CLUSTER_CHECKS,
    *ssh.CLUSTER_CHECKS,
    *network.CLUSTER_CHECKS,
    *k3s.CLUSTER_CHECKS,
    *hardening.CLUSTER_CHECKS,
)
_OF_NODE = (*nodes.NODE_CHECKS, *ssh.NODE_CHECKS, *network.NODE_CHECKS, *k3s.NODE_CHECKS, *hardening.NODE_CHECKS)


def cluster_findings(cluster: ClusterSettings) -> Findings:
    """Yield all conflicts between settings under `homelab:cluster`.

    If a check reads an invalid setting, homelab skips the check.
    """
    for check in _OF_CLUSTER:
        yield from _until_unknown(check(cluster))
    for index, node, _ in _until_unknown(nodes_with(cluster, lambda _: True)):
        for check_node in _OF_NODE:
            for loc, reason, fix in _until_unknown(check_node(cluster, node)):
                yield ("nodes", index, *loc), reason, fix


def _until_unknown(findings: Iterable[T]) -> Iterator[T]:
    try:
        yield from findings
    except UnknownValueError:
        return
