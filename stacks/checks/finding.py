"""Helper functions for checks that read one setting of every node."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.model import UnknownValueError

T = TypeVar("T")


def nodes_with(
    cluster: ClusterSettings, read: Callable[[NodeSettings], T | None]
) -> Iterator[tuple[int, NodeSettings, T]]:
    """Yield the index, the node and the value of `read` for each node for which `read` does not return None."""
    for index, node in enumerate(cluster.nodes):
        try:
            value = read(node)
            if value is not None:
                yield index, node, value
        except UnknownValueError:
            continue


def name_or_index(node: NodeSettings, index: int) -> str:
    """Return the name of the node, or its index in `nodes` if the name is invalid."""
    try:
        return str(node.name)
    except UnknownValueError:
        return f"nodes[{index}]"
