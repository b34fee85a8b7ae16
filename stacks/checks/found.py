"""What a check yields, and how it looks at several nodes."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from components.lab import ClusterSettings, NodeSettings
from components.model import NotKnownError

Found = tuple[tuple[str | int, ...], str, str]
"""Where (from the cluster or the node down), the reason, the fix."""
Findings = Iterator[Found]
T = TypeVar("T")


def each(cluster: ClusterSettings, read: Callable[[NodeSettings], T | None]) -> Iterator[tuple[int, NodeSettings, T]]:
    """Yield the nodes of which `read` gives something, with their place in the file."""
    for index, node in enumerate(cluster.nodes):
        try:
            value = read(node)
            if value is not None:
                yield index, node, value
        except NotKnownError:
            continue


def label(node: NodeSettings, index: int) -> str:
    """Return the node's name, or its place where it has no valid one."""
    try:
        return str(node.name)
    except NotKnownError:
        return f"nodes[{index}]"
