"""What must hold between the fields of a configuration, checked as far as its parts are known."""

from collections.abc import Iterable, Iterator

from components.lab import ClusterSettings
from components.model import NotKnownError
from stacks.checks import api, hardening, k3s, network, nodes, ssh
from stacks.checks.found import Found, T, each

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
    """Yield every broken relation; one that needs a wrong field is passed over."""
    for check in _OF_CLUSTER:
        yield from _known(check(cluster))
    for index, node, _ in _known(each(cluster, lambda _: True)):
        for check_node in _OF_NODE:
            for loc, reason, fix in _known(check_node(cluster, node)):
                yield ("nodes", index, *loc), reason, fix


def _known(found: Iterable[T]) -> Iterator[T]:
    try:
        yield from found
    except NotKnownError:
        return
