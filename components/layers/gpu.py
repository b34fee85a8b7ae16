"""GPU: NVIDIA's cards for pods that ask for them."""

import json
from collections.abc import Iterator, Mapping, Sequence

from components.fields import Count, HostLabel
from components.host import Service
from components.lab import NodeSettings
from components.layer import Finding, Layer, resources
from components.manifest import Tree
from components.model import Model

_RUNTIME = "nvidia"
"""Class of pods that see the cards; K3s makes it itself."""
_LABEL = {"nvidia.com/gpu.present": "true"}
_SHARED = "shared"


class GPUSettings(Model):
    """NVIDIA's cards for pods with `runtimeClassName: nvidia` and the limit `nvidia.com/gpu: 1`."""

    nodes: tuple[HostLabel, ...]
    """Machines that have a card, with NVIDIA's driver and container toolkit installed."""
    shares: Count = 1
    """Pods that take turns on one card. Its memory is not divided among them."""


class GPU(Layer[GPUSettings]):
    """NVIDIA's device plugin on the machines that have a card."""

    key = "gpu"
    settings_type = GPUSettings
    namespace = "gpu"
    security = "privileged"  # the plugin reaches for the cards and the kubelet

    def values(self) -> Mapping[str, Tree]:
        """Return the plugin; its chart itself looks for our label."""
        plugin: dict[str, Tree] = {"runtimeClassName": _RUNTIME, "resources": resources("10m", "128Mi")}
        if self.settings.shares > 1:
            card = {"name": "nvidia.com/gpu", "replicas": self.settings.shares}
            config = {"version": "v1", "sharing": {"timeSlicing": {"resources": [card]}}}
            plugin["config"] = {"map": {_SHARED: json.dumps(config)}, "default": _SHARED}
        return {"nvidia-device-plugin": plugin}

    def services(self) -> Sequence[Service]:
        """Return what looks whether each of the machines is fit."""
        chosen = [node for node in self.lab.cluster.nodes if node.name in self.settings.nodes]
        return [
            Service("runtime", node.name, ("gpu.sh",), variables={"NODE": node.name, "ROLE": node.role})
            for node in chosen
        ]

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label of machines with a card."""
        return _LABEL if node.name in self.settings.nodes else {}

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between the machines and the lab."""
        if not self.settings.nodes:
            yield ("nodes",), "names no machine", "name those that have a card"
        yield from self.lab.strangers(self.settings.nodes, "nodes")
