"""Checks of the external addresses of nodes, which the K3s options node-external-ip and flannel-external-ip set."""

from ipaddress import ip_address

from components.cluster.k3s.options import as_tuple
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.addresses import is_address
from components.settings.errors import Findings

_OPTION, _FLANNEL = "node-external-ip", "flannel-external-ip"


def _external_addresses(node: NodeSettings) -> list[str]:
    entries = as_tuple(node.options.get(_OPTION, ()))
    return [part.strip() for entry in entries for part in str(entry).split(",")]


def _of_cluster(cluster: ClusterSettings) -> Findings:
    for key, options in cluster.k3s.options_by_key.items():
        if _OPTION in options:
            yield ("k3s", key, _OPTION), "is the address of one node", "move it to the options of the node"
    lacking = [node.name for node in cluster.nodes if _OPTION not in node.options]
    if cluster.k3s.server_options.get(_FLANNEL) is True and lacking:
        reason = f"needs {_OPTION} on every node, which these nodes lack: {', '.join(lacking)}"
        yield ("k3s", "serverOptions", _FLANNEL), reason, f"add {_OPTION} to their options, or remove it"


def _of_node(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    found, path = _external_addresses(node), ("options", _OPTION)
    if not all(map(is_address, found)):
        yield path, "is not an IP address", "write the node's public address, such as 203.0.113.7"
    elif len(families := [ip_address(each).version for each in found]) > len(set(families)):
        yield path, "has two addresses of one IP family", "write at most one IPv4 and one IPv6 address"


CLUSTER_CHECKS = (_of_cluster,)
NODE_CHECKS = (_of_node,)
