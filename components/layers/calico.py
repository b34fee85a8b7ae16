"""Calico: the pod network, and the NetworkPolicies in it."""

from collections.abc import Iterator, Mapping
from typing import Literal

from components import cni
from components.layer import Finding, Layer, resources
from components.manifest import Tree
from components.model import Model

CRDS = "crd.projectcalico.org.v1"
"""The chart of the CRDs, those of the operator among them."""


class CalicoSettings(Model):
    """Calico: the pod network and its policies."""

    encapsulation: Literal["VXLAN", "VXLANCrossSubnet"] = "VXLAN"
    """How packets travel between nodes; `VXLANCrossSubnet` sends them as they are where nodes share a network."""


class Calico(Layer[CalicoSettings]):
    """Calico as the pod network, with `network.cni: none`; its policies are in force from the start."""

    key = "calico"
    settings_type = CalicoSettings
    namespace = "tigera-operator"
    further_namespaces = ("calico-apiserver", "calico-system")
    security = "privileged"
    first = True
    crd_charts = (CRDS,)
    appears = ("clusterinformations.crd.projectcalico.org/default",)
    keeps = cni.KEEPS
    kept = cni.KEPT

    def values(self) -> Mapping[str, Tree]:
        """Return the operator, which runs without a pod network, and what it is to install."""
        encapsulation = self.settings.encapsulation
        pools = [
            {"cidr": network, "encapsulation": encapsulation, "natOutgoing": "Enabled"}
            for network in self.lab.cluster.network.pods
        ]
        network = {
            "bgp": "Disabled",
            "linuxDataplane": "Iptables",
            "containerIPForwarding": "Enabled",
            "ipPools": pools,
        }
        values: dict[str, Tree] = {
            "installation": {
                "cni": {"type": "Calico", "ipam": {"type": "Calico"}},
                "calicoNetwork": network,
                "controlPlaneReplicas": self.lab.replicas(2),
            },
            "goldmane": {"enabled": False},
            "whisker": {"enabled": False},
            "resources": resources("25m", "256Mi"),
            "priorityClassName": "system-cluster-critical",
        }
        return {CRDS: {}, "tigera-operator": values}

    def problems(self) -> Iterator[Finding]:
        """Yield another pod network."""
        yield from cni.problems(self.key, self.lab)
