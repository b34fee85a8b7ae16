"""Checks that compare the cluster's nodes and etcd members with the stack file."""

from collections.abc import Iterable, Mapping
from typing import Any

from components.cluster.certificate_validity import Validity
from components.cluster.settings import ClusterSettings, NodeSettings
from operations.api import Object
from operations.findings import Finding, fine, note, wrong


def check(cluster: ClusterSettings, nodes: Iterable[Object]) -> list[Finding]:
    """Compare the cluster with the stack file; return a finding for each node, and a finding about the etcd members."""
    in_cluster = {str(node["metadata"]["name"]): node for node in nodes}
    expected = {node.name for node in cluster.nodes}
    findings = [_node(node, in_cluster.get(node.name)) for node in cluster.nodes]
    findings += [_unknown_node(name) for name in sorted(in_cluster.keys() - expected)]
    return [*findings, _etcd_members(cluster, in_cluster)]


def check_expiry(kubeconfig: Validity) -> Finding:
    """Return a finding with the expiry date of the stack's kubeconfig, and a fix if the kubeconfig expires soon."""
    expires = f"expires on {kubeconfig.end_text}"
    if kubeconfig.needs_renewal:
        fix = (
            "run `pulumi up` to renew the kubeconfig, then `./homelab kubeconfig`, then `pulumi up` for each app stack"
        )
        return note("kubeconfig", f"{expires}, in {kubeconfig.remaining.days} days", fix)
    return fine("kubeconfig", expires)


def _node(expected: NodeSettings, node: Object | None) -> Finding:
    if node is None:
        return wrong(
            expected.name,
            "the cluster does not have this node",
            "run `pulumi up`; if `pulumi up` changes nothing, run `pulumi up --refresh`",
        )
    ready = conditions(node).get("Ready", {})
    if ready.get("status") != "True":
        says = f"the node is not Ready: {ready.get('message') or ready.get('reason') or 'no reason given'}"
        return wrong(
            expected.name, says, "fix the problems of the machine in this report, then read K3s' journal on the machine"
        )
    if node["spec"].get("unschedulable"):
        fix = f"if a `pulumi up` was interrupted, run `pulumi up`; if not, run `kubectl uncordon {expected.name}`"
        return wrong(
            expected.name, "the node is Ready but cordoned, so the scheduler places no new pods on the node", fix
        )
    pressures = [
        kind for kind, condition in conditions(node).items() if "Pressure" in kind and condition["status"] == "True"
    ]
    if pressures:
        return wrong(
            expected.name,
            f"the node is Ready but has {', '.join(pressures)}",
            f"`kubectl describe node {expected.name}`",
        )
    return fine(expected.name, f"Ready, {node['status'].get('nodeInfo', {}).get('kubeletVersion', '')}")


def _unknown_node(name: str) -> Finding:
    fix = f"if the machine is permanently lost, run `kubectl delete node {name}`; if not, add the node to `nodes`"
    return wrong(name, "the cluster has this node, but the stack file does not", fix)


def _etcd_members(cluster: ClusterSettings, in_cluster: Mapping[str, Object]) -> Finding:
    servers = [server.name for server in cluster.servers]
    voters = {
        name for name, node in in_cluster.items() if conditions(node).get("EtcdIsVoter", {}).get("status") == "True"
    }
    missing = [name for name in servers if name not in voters]
    if not missing:
        return fine("etcd", f"{len(voters)} of {len(servers)} servers are voting members")
    tolerance = (len(servers) - 1) // 2 - len(missing)
    more = f"repair these servers; etcd keeps its quorum after at most {max(tolerance, 0)} more server failures"
    fix = more if len(servers) > 1 else "check the journal of K3s on the server"
    return wrong("etcd", f"not voting members: {', '.join(missing)}", fix)


def conditions(item: Object) -> dict[str, Any]:
    """Return the status conditions of a Kubernetes object by condition type."""
    return {condition["type"]: condition for condition in item.get("status", {}).get("conditions") or ()}


def is_ready(item: Object) -> bool:
    """Whether the status condition `Ready` of a Kubernetes object is true."""
    return bool(conditions(item).get("Ready", {}).get("status") == "True")
