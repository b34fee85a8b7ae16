"""The homelab stack: the cluster, the platform on it, and what app stacks need to know of both."""

from functools import reduce

import pulumi

from components import k3s
from components.cluster import Cluster
from components.host import NOTHING
from components.layer import Lab
from components.platform import Platform
from stacks import catalog
from stacks.outputs import ClusterOutputs
from stacks.settings import Settings


def deploy() -> None:
    """Read the configuration whole, then describe the lab."""
    settings = Settings.load()
    lab = Lab(settings.cluster, settings.platform.layers())
    layers = [row.layer(lab.layers[row.layer.key], lab) for row in catalog.LAYERS if lab.has(row.layer.key)]
    host = reduce(lambda all_, layer: all_ | layer.host, layers, NOTHING)
    flags = [f"discard-{key}" for key in settings.platform.discard]
    replaced = [packaged for layer in layers for packaged in layer.replaces]
    cluster = Cluster(settings.cluster.without(replaced), catalog.KUBE_VIP, host, flags)
    platform = Platform(layers, settings.platform.charts(), cluster.access)
    cluster.leave_first([platform])
    nodes = [{"name": node.name, "role": node.role, "address": node.address} for node in settings.cluster.nodes]
    ClusterOutputs(
        name=pulumi.Output.from_input(settings.cluster.name),
        domain=pulumi.Output.from_input(settings.cluster.domain),
        endpoint=pulumi.Output.from_input(f"https://{k3s.endpoint(settings.cluster)}"),
        kubeconfig=cluster.kubeconfig,
        nodes=pulumi.Output.from_input(nodes),
    ).export()
