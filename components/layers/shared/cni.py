"""Common parts of the layers that provide the pod network."""

from collections.abc import Iterator

from components.platform.layer import Finding, Lab

KEYS = ("calico", "cilium")
KEEPS = "the network of all pods"
KEPT = ("nodes",)
"""Query for protected objects: pods need the network as long as nodes exist."""


def problems(key: str, lab: Lab) -> Iterator[Finding]:
    """Yield an error for each other pod network that is enabled in addition to the layer `key`."""
    if lab.cluster.network.cni != "none":
        fix = "set network.cni: none under homelab:cluster before the first `pulumi up`, "
        fix += "because the pod network cannot change later"
        yield (), f"conflicts with the pod network {lab.cluster.network.cni}", fix
    for other in KEYS[KEYS.index(key) + 1 :]:
        if lab.has(other):
            yield (), f"conflicts with the pod network {other}", "keep one of them"
