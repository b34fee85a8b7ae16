"""What layers ask for at least: the requests that stand in the values of their charts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.manifest import Tree
from components.volumes import mebibytes


@dataclass(frozen=True)
class Requests:
    """Thousandths of a processor, and MiB of memory."""

    cpu: int = 0
    memory: int = 0

    def __add__(self, other: "Requests") -> "Requests":
        return Requests(self.cpu + other.cpu, self.memory + other.memory)


def least(values: Tree) -> Requests:
    """Add the requests in values up. Copies count where they stand beside the requests; what runs everywhere, once."""
    return sum(_found(values), Requests())


def _found(values: Tree) -> Iterator[Requests]:
    if not isinstance(values, Mapping):
        return
    for key, inner in values.items():
        if key == "resources" and isinstance(inner, Mapping):
            yield from [sum(map(_asked, _several(inner)), Requests())] * _copies(values)
        else:
            yield from _found(inner)


def _several(found: Mapping[str, Tree]) -> list[Tree]:
    """Some charts have the resources of several programs there, by name."""
    return [found] if "requests" in found else list(found.values())


def _asked(found: Tree) -> Requests:
    asked = (found.get("requests") if isinstance(found, Mapping) else None) or {}
    return Requests(_cpu(str(asked.get("cpu", "0"))), _memory(str(asked.get("memory", "0Mi"))))


def _copies(values: Mapping[str, Tree]) -> int:
    given = values.get("replicas", values.get("replicaCount", 1))
    return given if isinstance(given, int) else 1


def _cpu(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def _memory(text: str) -> int:
    return mebibytes(text) if re.fullmatch(r"\d+(Ki|Mi|Gi|Ti)", text) else 0
