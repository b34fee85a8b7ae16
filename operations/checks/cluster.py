"""Whether the cluster is as the stack file says: its nodes, and who votes in etcd."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.lab import ClusterSettings, NodeSettings
from components.validity import Validity
from operations.findings import Finding, fine, note, wrong

Object = Mapping[str, Any]


def judge(cluster: ClusterSettings, nodes: Iterable[Object]) -> list[Finding]:
    """Return the findings about the nodes that the API knows."""
    known = {str(node["metadata"]["name"]): node for node in nodes}
    found = [_node(each, known.get(each.name)) for each in cluster.nodes]
    found += [_stranger(name) for name in sorted(known.keys() - {each.name for each in cluster.nodes})]
    return [*found, _voters(cluster, known)]


def lasts(kubeconfig: Validity) -> Finding:
    """Return how long the stack's kubeconfig is good."""
    ends = f"ends on {kubeconfig.end}"
    if kubeconfig.due:
        fix = "`pulumi up` renews it; after that `./homelab kubeconfig`, and `pulumi up` of the apps' stacks"
        return note("kubeconfig", f"{ends}, in {kubeconfig.left.days} days", fix)
    return fine("kubeconfig", ends)


def _node(wanted: NodeSettings, node: Object | None) -> Finding:
    if node is None:
        return wrong(wanted.name, "is no node of the cluster", "`pulumi up`; if it says nothing is to do: --refresh")
    ready = conditions(node).get("Ready", {})
    if ready.get("status") != "True":
        says = f"is not Ready: {ready.get('message') or ready.get('reason') or 'it says nothing'}"
        return wrong(wanted.name, says, "look at the machine's own findings, then at its K3s journal")
    if node["spec"].get("unschedulable"):
        fix = f"`pulumi up` if a run was interrupted; else kubectl uncordon {wanted.name}"
        return wrong(wanted.name, "is Ready, and cordoned: it gets no new pods", fix)
    pressing = [kind for kind, each in conditions(node).items() if "Pressure" in kind and each["status"] == "True"]
    if pressing:
        return wrong(wanted.name, f"is Ready under {', '.join(pressing)}", f"kubectl describe node {wanted.name}")
    return fine(wanted.name, f"Ready, {node['status'].get('nodeInfo', {}).get('kubeletVersion', '')}")


def _stranger(name: str) -> Finding:
    fix = f"if its machine is gone for good: kubectl delete node {name}; else put it into `nodes`"
    return wrong(name, "is a node of the cluster, and not in the stack file", fix)


def _voters(cluster: ClusterSettings, known: Mapping[str, Object]) -> Finding:
    servers = [server.name for server in cluster.servers]
    voting = {name for name, node in known.items() if conditions(node).get("EtcdIsVoter", {}).get("status") == "True"}
    silent = [name for name in servers if name not in voting]
    if not silent:
        return fine("etcd", f"{len(voting)} of {len(servers)} servers vote")
    spare = (len(servers) - 1) // 2 - len(silent)
    fix = f"bring them back; {max(spare, 0)} more may fail" if len(servers) > 1 else "look at its K3s journal"
    return wrong("etcd", f"without a vote: {', '.join(silent)}", fix)


def conditions(thing: Object) -> dict[str, Any]:
    """The conditions of an object by their type."""
    return {each["type"]: each for each in thing.get("status", {}).get("conditions") or ()}
