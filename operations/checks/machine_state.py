"""The state of a machine in the stack file, and the state that homelab observed on the machine."""

from dataclasses import dataclass

from components.cluster.settings import ClusterSettings, NodeSettings
from operations.machine_facts import Facts
from operations.machines import ScriptResult


@dataclass(frozen=True)
class MachineState:
    """A machine's settings from the stack file, and the facts that a script collected on the machine."""

    node: NodeSettings
    cluster: ClusterSettings
    facts: Facts
    result: ScriptResult

    @property
    def has_k3s(self) -> bool:
        """Whether the machine has K3s' systemd unit for its role: `k3s` on a server, `k3s-agent` on an agent."""
        return self.facts.is_yes("unit-there")
