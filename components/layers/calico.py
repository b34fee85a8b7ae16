"""Settings of Calico, a CNI plugin that also enforces NetworkPolicies."""

from collections.abc import Iterator, Mapping
from typing import Literal

from components.kubernetes.manifest import Json
from components.layers.shared import cni
from components.platform.layer import Layer, resources
from components.settings.errors import Finding
from components.settings.model import Model

CRD_CHART = "crd.projectcalico.org.v1"
"""Helm chart with the CRDs of Calico and of the Tigera operator."""


class CalicoSettings(Model):
    """Settings of Calico, a CNI plugin that also enforces NetworkPolicies."""

    encapsulation: Literal["VXLAN", "VXLANCrossSubnet"] = "VXLAN"
    """Encapsulation of pod traffic between nodes. `VXLANCrossSubnet` encapsulates only traffic between different
    subnets."""


class Calico(Layer[CalicoSettings]):
    """Layer for Calico, the CNI plugin of a cluster with `network.cni: none`. Calico also enforces NetworkPolicies."""

    key = "calico"
    settings_type = CalicoSettings
    namespace = "tigera-operator"
    further_namespaces = ("calico-apiserver", "calico-system")
    pod_security = "privileged"
    installs_first = True
    crd_only_charts = (CRD_CHART,)
    awaited_objects = ("clusterinformations.crd.projectcalico.org/default",)
    user_data = cni.USER_DATA
    user_data_queries = cni.USER_DATA_QUERIES

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the Tigera operator, which needs no pod network itself, and installs Calico."""
        encapsulation = self.settings.encapsulation
        pools = [
            {"cidr": cidr, "encapsulation": encapsulation, "natOutgoing": "Enabled"}
            for cidr in self.lab.cluster.network.pods
        ]
        calico_network = {
            "bgp": "Disabled",
            "linuxDataplane": "Iptables",
            "containerIPForwarding": "Enabled",
            "ipPools": pools,
        }
        values: dict[str, Json] = {
            "installation": {
                "cni": {"type": "Calico", "ipam": {"type": "Calico"}},
                "calicoNetwork": calico_network,
                "controlPlaneReplicas": self.lab.replicas(2),
            },
            "goldmane": {"enabled": False},
            "whisker": {"enabled": False},
            "resources": resources("25m", "256Mi"),
            "priorityClassName": "system-cluster-critical",
        }
        return {CRD_CHART: {}, "tigera-operator": values}

    def findings(self) -> Iterator[Finding]:
        """Yield an error for each other CNI plugin that the stack file enables."""
        yield from cni.findings(self.key, self.lab)
