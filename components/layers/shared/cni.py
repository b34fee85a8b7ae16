"""Code that the layers of CNI plugins share."""

from collections.abc import Iterator

from components.cluster.settings import ClusterSettings
from components.platform.layer import LabContext
from components.settings.errors import Finding

KUBE_PROXY_OPTION = "disable-kube-proxy"
LAYER_KEYS = ("calico", "cilium")
USER_DATA = "nodes whose pods use its network"
USER_DATA_QUERIES = ("nodes",)
"""Query for protected objects: homelab refuses to delete the CNI plugin as long as nodes exist."""


def is_kube_proxy_disabled(cluster: ClusterSettings) -> bool:
    """Whether the K3s option `disable-kube-proxy` disables kube-proxy on all nodes."""
    return {**cluster.k3s.options, **cluster.k3s.server_options}.get(KUBE_PROXY_OPTION) is True


def findings(key: str, lab: LabContext) -> Iterator[Finding]:
    """Yield an error for each other CNI plugin that is enabled in addition to the layer `key`."""
    if lab.cluster.network.cni != "none":
        fix = "set network.cni: none under homelab:cluster before the first `pulumi up`, "
        fix += "because the pod network cannot change later"
        yield (), f"conflicts with the pod network {lab.cluster.network.cni}", fix
    for other in LAYER_KEYS[LAYER_KEYS.index(key) + 1 :]:
        if lab.is_enabled(other):
            yield (), f"conflicts with the pod network {other}", "keep one of them"
