"""The expected and the observed state of a machine."""

from dataclasses import dataclass

from components.cluster.settings import ClusterSettings, NodeSettings
from operations.machine_facts import Facts
from operations.machines import ScriptResult


@dataclass(frozen=True)
class MachineState:
    """A machine's settings from the stack file, and the facts collected on the machine."""

    node: NodeSettings
    cluster: ClusterSettings
    facts: Facts
    result: ScriptResult

    @property
    def has_k3s(self) -> bool:
        """Whether K3s' systemd unit for the node's role is installed."""
        return self.facts.is_yes("unit-there")
