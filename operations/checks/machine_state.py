"""The state of a machine in the stack file, and the state that homelab observed on the machine."""

from dataclasses import dataclass

from components.cluster.settings import ClusterSettings, NodeSettings
from operations.machine_facts import Facts
from operations.machines import ScriptResult


@dataclass(frozen=True)
class MachineState:
    """A machine's settings from the stack file, and the facts that a script collected on the machine.

    `layers` contains the keys of the enabled layers, and `wildcard_zones` the DNS zones of the layer `coredns` in which
    every name has an address. `layer_2` states whether nodes announce load-balancer IPs in layer 2.
    """

    node: NodeSettings
    cluster: ClusterSettings
    facts: Facts
    result: ScriptResult
    layers: frozenset[str] = frozenset()
    wildcard_zones: tuple[str, ...] = ()
    layer_2: bool = False

    @property
    def has_k3s(self) -> bool:
        """Whether the machine has K3s' systemd unit for its role: `k3s` on a server, `k3s-agent` on an agent."""
        return self.facts.is_yes("unit-there")
