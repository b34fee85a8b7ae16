"""The homelab stack: the cluster, and what app stacks need to know of it."""

import pulumi

from components import k3s
from components.cluster import Cluster
from stacks import catalog
from stacks.outputs import ClusterOutputs
from stacks.settings import Settings


def deploy() -> None:
    """Read the configuration whole, then describe the lab."""
    settings = Settings.load().cluster
    cluster = Cluster(settings, catalog.KUBE_VIP)
    nodes = [{"name": node.name, "role": node.role, "address": node.address} for node in settings.nodes]
    ClusterOutputs(
        name=pulumi.Output.from_input(settings.name),
        domain=pulumi.Output.from_input(settings.domain),
        endpoint=pulumi.Output.from_input(f"https://{k3s.endpoint(settings)}"),
        kubeconfig=cluster.kubeconfig,
        nodes=pulumi.Output.from_input(nodes),
    ).export()
