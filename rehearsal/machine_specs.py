"""The specifications of a stack's simulated machines: one for each node, and one for each bastion in the LAN."""

import platform
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from components.cluster.settings import ClusterSettings
from components.cluster.ssh_settings import BastionSettings
from rehearsal.disk import Specification
from rehearsal.network_namespace import Network, free_address

HOST_ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}.get(platform.machine(), "amd64")
MEMORY_BYTES = {"server": 600 << 20, "agent": 350 << 20, "bastion": 30 << 20}
"""Measured memory use of a machine by role, in bytes."""
DISK_BYTES = {"server": 2500 << 20, "agent": 2000 << 20, "bastion": 50 << 20}
"""Measured disk space of a machine by role, in bytes, without the machine image that all machines share."""


def lan(cluster: ClusterSettings) -> Network:
    """Return the LAN's CIDR."""
    return ip_network(cluster.lan)


def used_addresses(cluster: ClusterSettings) -> set[str]:
    """Return the addresses of all nodes, all bastions and the API endpoint in the stack file."""
    addresses = {address for node in cluster.nodes for address in node.addresses}
    addresses |= {host for host in (cluster.api.vip, cluster.api.external) if host}
    return addresses | {bastion.address for bastion in bastions(cluster)}


def choose_gateway(cluster: ClusterSettings) -> str:
    """Choose a free IP address in the lab's LAN for the host, which is the default gateway of the machines."""
    return free_address(lan(cluster), used_addresses(cluster))


def bastions(cluster: ClusterSettings) -> list[BastionSettings]:
    """Return the SSH bastions of the cluster and of its nodes, without duplicates."""
    configured = [cluster.ssh.bastion, *(cluster.ssh_of(node).bastion for node in cluster.nodes)]
    return list({bastion.address: bastion for bastion in configured if bastion}.values())


def is_in_lan(cluster: ClusterSettings, host: str) -> bool:
    """Return whether `host` is an IP address in the cluster's LAN."""
    try:
        return ip_address(host) in lan(cluster)
    except ValueError:
        return False


def specifications(cluster: ClusterSettings, gateway: str, authorized_key: str) -> Iterator[Specification]:
    """Yield a specification for each node, and for each bastion in the LAN that is not a node."""
    prefix = lan(cluster).prefixlen
    for node in cluster.nodes:
        ssh = cluster.ssh_of(node)
        yield Specification(
            name=node.name,
            role=node.role,
            address=node.address,
            prefix=prefix,
            gateway=gateway,
            interface=node.interface or "eth0",
            port=ssh.port,
            user=ssh.user,
            sudo=ssh.sudo,
            arch=node.arch or HOST_ARCHITECTURE,
            authorized_key=authorized_key,
        )
    nodes = {node.address for node in cluster.nodes}
    for number, bastion in enumerate(bastions(cluster), start=1):
        if is_in_lan(cluster, bastion.address) and bastion.address not in nodes:
            yield Specification(
                name=f"bastion-{number}",
                role="bastion",
                address=bastion.address,
                prefix=prefix,
                gateway=gateway,
                interface="eth0",
                port=bastion.port,
                user=bastion.user,
                sudo=False,
                arch=HOST_ARCHITECTURE,
                authorized_key=authorized_key,
            )
