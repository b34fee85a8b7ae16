"""NVIDIA's device plugin, which makes the GPUs of nodes available to pods."""

import json
from collections.abc import Iterator, Mapping, Sequence

from components.cluster.host_requirements import HostService
from components.cluster.settings import NodeSettings
from components.kubernetes.manifest import Json
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.fields import DnsLabel, PositiveInt
from components.settings.model import Model

RUNTIME_CLASS = "nvidia"
"""RuntimeClass of pods that use a GPU. K3s creates the RuntimeClass."""
RESOURCE = "nvidia.com/gpu"
"""Extended resource of the GPUs."""
NODE_LABELS = {"nvidia.com/gpu.present": "true"}
"""Labels of the nodes that have a GPU."""
_SHARED_CONFIG = "shared"


class GPUSettings(Model):
    """Settings of NVIDIA GPUs.

    Apps request GPUs with the key `gpu`. Every other pod with a GPU needs `runtimeClassName: nvidia` and the resource
    limit `nvidia.com/gpu: 1`.
    """

    nodes: tuple[DnsLabel, ...]
    """Names of the nodes that have a GPU, and on which NVIDIA's driver and container toolkit are already installed."""
    shares: PositiveInt = 1
    """Number of pods that can share one GPU through time-slicing. Pods that share a GPU share all its memory, because
    time-slicing does not partition the memory."""


class GPU(Layer[GPUSettings]):
    """Layer for NVIDIA's device plugin, which runs on the nodes that have a GPU."""

    key = "gpu"
    settings_type = GPUSettings
    namespace = "gpu"
    pod_security = "privileged"  # the device plugin accesses the GPUs and the kubelet

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of NVIDIA's device plugin for nodes with the label `nvidia.com/gpu.present`."""
        plugin: dict[str, Json] = {"runtimeClassName": RUNTIME_CLASS, "resources": resources("10m", "128Mi")}
        if self.settings.shares > 1:
            shared_gpu = {"name": RESOURCE, "replicas": self.settings.shares}
            config = {"version": "v1", "sharing": {"timeSlicing": {"resources": [shared_gpu]}}}
            plugin["config"] = {"map": {_SHARED_CONFIG: json.dumps(config)}, "default": _SHARED_CONFIG}
        return {"nvidia-device-plugin": plugin}

    def host_services(self) -> Sequence[HostService]:
        """Return the host services that check NVIDIA's driver and container toolkit on each GPU node."""
        chosen = [node for node in self.lab.cluster.nodes if node.name in self.settings.nodes]
        return [
            HostService(
                "runtime", node.name, ("gpu/check-driver.sh",), variables={"NODE": node.name, "ROLE": node.role}
            )
            for node in chosen
        ]

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the label `nvidia.com/gpu.present` if the node has a GPU."""
        return NODE_LABELS if node.name in self.settings.nodes else {}

    def outputs(self) -> Mapping[str, object]:
        """Return the extended resource of the GPUs, which apps with the setting `gpu` need."""
        return {"gpu_resources": [RESOURCE]}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the list of GPU nodes."""
        if not self.settings.nodes:
            yield ("nodes",), "is empty", "list the nodes that have a GPU"
        yield from self.lab.check_node_names(self.settings.nodes, "nodes")
