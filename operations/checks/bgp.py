"""Checks the BGP sessions of MetalLB's nodes with the routers."""

from collections.abc import Iterable, Iterator

from components.layers.metallb.bgp import BgpSettings, peer_label
from operations.api import Object
from operations.checks.cluster import is_ready
from operations.findings import Finding, fine, wrong

SESSIONS = "/apis/frrk8s.metallb.io/v1beta1/namespaces/metallb-system/bgpsessionstates"
"""API path of the BGPSessionState objects, in which frr-k8s reports the state of each BGP session."""
_ESTABLISHED = "Established"
_COMPONENT = "app.kubernetes.io/component"


def check_sessions(bgp: BgpSettings, pods: Iterable[Object], states: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each BGP session between a router and a node on which FRR runs.

    `pods` contains MetalLB's pods, and `states` contains the BGPSessionState objects.
    """
    status = {(state["status"]["node"], state["status"]["peer"]): state["status"]["bgpStatus"] for state in states}
    for node, pod in sorted(_routers(pods)):
        for peer in bgp.peers:
            check = f"BGP session of {node} with {peer.address}"
            found = status.get((node, peer_label(peer.address)))
            if found == _ESTABLISHED:
                yield fine(check, _ESTABLISHED)
                continue
            problem = f"is {found}, not {_ESTABLISHED}" if found else "has not started yet"
            yield wrong(check, f"{problem}: the router has no routes to {node}", _fix(bgp, peer.address, pod))


def _fix(bgp: BgpSettings, address: str, pod: str) -> str:
    vtysh = f"kubectl -n metallb-system exec {pod} -c frr -- vtysh -c 'show bgp neighbors {address}'"
    return (
        f"check that the router accepts BGP sessions from the node, with the node's ASN {bgp.asn}, and that asn, port "
        f"and password in metallb.bgp.peers are those of the router; `{vtysh}` prints the reason of the last failure"
    )


def _routers(pods: Iterable[Object]) -> Iterator[tuple[str, str]]:
    """Yield the node and the name of each ready pod of FRR."""
    for pod in pods:
        if is_ready(pod) and pod["metadata"].get("labels", {}).get(_COMPONENT) == "frr-k8s":
            yield pod["spec"]["nodeName"], pod["metadata"]["name"]
