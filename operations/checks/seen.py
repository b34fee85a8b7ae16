"""A machine as it should be, and as it says it is."""

from dataclasses import dataclass

from components.lab import ClusterSettings, NodeSettings
from operations.facts import Facts
from operations.machines import Answer


@dataclass(frozen=True)
class Seen:
    """A machine: what it should be, and what it says it is."""

    node: NodeSettings
    cluster: ClusterSettings
    facts: Facts
    answer: Answer

    @property
    def installed(self) -> bool:
        """Whether K3s was put there."""
        return self.facts.yes("unit-there")
