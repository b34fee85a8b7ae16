"""Checks for conflicts between settings of the cluster."""

from components.cluster.settings import ClusterSettings
from components.settings.errors import Findings
from stacks.checks import (
    api,
    external_addresses,
    hardening,
    k3s,
    k3s_arguments,
    k3s_network,
    machine,
    manifests,
    network,
    nodes,
    ssh,
)

_OF_CLUSTER = (
    *nodes.CLUSTER_CHECKS,
    *api.CLUSTER_CHECKS,
    *ssh.CLUSTER_CHECKS,
    *network.CLUSTER_CHECKS,
    *k3s.CLUSTER_CHECKS,
    *k3s_arguments.CLUSTER_CHECKS,
    *k3s_network.CLUSTER_CHECKS,
    *hardening.CLUSTER_CHECKS,
    *machine.CLUSTER_CHECKS,
    *external_addresses.CLUSTER_CHECKS,
    *manifests.CLUSTER_CHECKS,
)
_OF_NODE = (
    *nodes.NODE_CHECKS,
    *ssh.NODE_CHECKS,
    *network.NODE_CHECKS,
    *k3s.NODE_CHECKS,
    *k3s_arguments.NODE_CHECKS,
    *k3s_network.NODE_CHECKS,
    *hardening.NODE_CHECKS,
    *machine.NODE_CHECKS,
    *external_addresses.NODE_CHECKS,
)


def cluster_findings(cluster: ClusterSettings) -> Findings:
    """Yield all conflicts between settings under `homelab:cluster`."""
    for check in _OF_CLUSTER:
        yield from check(cluster)
    for index, node in enumerate(cluster.nodes):
        for check_node in _OF_NODE:
            for loc, reason, fix in check_node(cluster, node):
                yield ("nodes", index, *loc), reason, fix
