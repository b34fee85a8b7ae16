"""Checks of the SSH settings."""

from components.cluster.settings import BastionSettings, ClusterSettings, NodeSettings
from components.settings.errors import Findings

_KEY_FIX = "set privateKey: {secret: NAME}, or agent: true"


def _login(cluster: ClusterSettings) -> Findings:
    if cluster.ssh.private_key is not None and cluster.ssh.agent:
        yield ("ssh",), "has both privateKey and agent", "keep one of them"
        return
    if any(login.private_key is None and not login.agent for login in map(cluster.ssh_of, cluster.nodes)):
        yield ("ssh",), "has neither privateKey nor agent", _KEY_FIX


def _sudo_for_root(cluster: ClusterSettings) -> Findings:
    ssh = cluster.ssh
    if "sudo" in ssh.model_fields_set:
        yield from _sudo(ssh.user, ssh.sudo, ("ssh", "sudo"))


def _sudo(user: str, sudo: bool, loc: tuple[str, ...]) -> Findings:
    if user == "root" and sudo:
        yield loc, "is true although the user is root", "leave it out"
    if user != "root" and not sudo:
        yield loc, f"is false although the user is {user}: only root can install K3s", "leave it out, or log in as root"


def _own_login(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    if node.ssh.private_key is not None and node.ssh.agent:
        yield ("ssh",), "has both privateKey and agent", "keep one of them"
    merged = cluster.ssh_of(node)
    if {"sudo", "user"} & node.ssh.model_fields_set:
        yield from _sudo(merged.user, merged.sudo, ("ssh", "sudo"))


def _bastion_is_the_node(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    bastion = cluster.ssh_of(node).bastion
    if bastion is not None and bastion.address == node.address:
        fix = "set bastion: null in this node's ssh" if node.ssh.bastion is None else "leave it out"
        yield ("ssh", "bastion"), "is this machine itself", fix


def _common_bastion(cluster: ClusterSettings) -> Findings:
    yield from _bastion_key(cluster, cluster.ssh.bastion)


def _own_bastion(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    yield from _bastion_key(cluster, node.ssh.bastion)


def _bastion_key(cluster: ClusterSettings, bastion: BastionSettings | None) -> Findings:
    if bastion is None:
        return
    for node in cluster.nodes:
        if node.address == bastion.address and node.host_key != bastion.host_key:
            reason = f"differs from the host key of {node.name}, which has the bastion's address"
            yield ("ssh", "bastion", "hostKey"), reason, "write the same key in both settings"


CLUSTER_CHECKS = (_login, _sudo_for_root, _common_bastion)
NODE_CHECKS = (_own_login, _bastion_is_the_node, _own_bastion)
