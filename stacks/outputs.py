"""What the homelab stack gives to app stacks: one typed contract, for both sides."""

from dataclasses import dataclass, fields
from typing import Any

import pulumi


@dataclass(frozen=True)
class ClusterOutputs:
    """The cluster, as another stack sees it."""

    name: pulumi.Output[str]
    domain: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    """URL of the Kubernetes API."""
    kubeconfig: pulumi.Output[str]
    """Administrator's kubeconfig, through the endpoint; secret."""
    nodes: pulumi.Output[list[dict[str, Any]]]
    """The machines: name, role, address."""

    def export(self) -> None:
        """Make every field an output of this stack."""
        for field in fields(self):
            pulumi.export(field.name, getattr(self, field.name))

    @classmethod
    def of(cls, stack: pulumi.StackReference) -> "ClusterOutputs":
        """Read the outputs of another stack. A field it does not have fails the program by its name."""
        return cls(**{field.name: stack.require_output(field.name) for field in fields(cls)})
