"""Checks of relations between the settings of a configuration. A check with an invalid setting is skipped."""

from collections.abc import Iterable, Iterator

from components.cluster.settings import ClusterSettings
from components.settings.model import NotKnownError
from stacks.checks import api, hardening, k3s, network, nodes, ssh
from stacks.checks.finding import Found, T, each

_OF_CLUSTER = (
    *nodes.OF_CLUSTER,
    *api.OF_CLUSTER,
    *ssh.OF_CLUSTER,
    *network.OF_CLUSTER,
    *k3s.OF_CLUSTER,
    *hardening.OF_CLUSTER,
)
_OF_NODE = (*nodes.OF_NODE, *ssh.OF_NODE, *network.OF_NODE, *k3s.OF_NODE, *hardening.OF_NODE)


def relations(cluster: ClusterSettings) -> Iterator[Found]:
    """Yield all conflicts between settings. A check that reads an invalid field is skipped."""
    for check in _OF_CLUSTER:
        yield from _until_unknown(check(cluster))
    for index, node, _ in _until_unknown(each(cluster, lambda _: True)):
        for check_node in _OF_NODE:
            for loc, reason, fix in _until_unknown(check_node(cluster, node)):
                yield ("nodes", index, *loc), reason, fix


def _until_unknown(findings: Iterable[T]) -> Iterator[T]:
    try:
        yield from findings
    except NotKnownError:
        return
