"""What layers that bring the pod network have in common."""

from collections.abc import Iterator

from components.layer import Finding, Lab

KEYS = ("calico", "cilium")
KEEPS = "the network of all pods"
KEPT = ("nodes",)
"""As long as there are nodes, their pods need it."""


def problems(key: str, lab: Lab) -> Iterator[Finding]:
    """Yield other pod networks beside the layer of that key."""
    if lab.cluster.network.cni != "none":
        fix = "set network.cni: none under homelab:cluster before the first `pulumi up`: on a live lab it stays"
        yield (), f"is a pod network beside {lab.cluster.network.cni}", fix
    for other in KEYS[KEYS.index(key) + 1 :]:
        if lab.has(other):
            yield (), f"is a pod network beside {other}", "keep one of them"
