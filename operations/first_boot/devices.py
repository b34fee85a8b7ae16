"""The network interfaces in `network-config`: an Ethernet interface or a bond, and optionally a VLAN on it."""

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from components.cluster.settings import NodeSettings
from components.settings.fields import Interface
from operations.pulumi_stack import StackError

MTU = (1280, 9216)
"""Smallest MTU that IPv6 allows, and largest MTU that most network cards and switches allow."""
VLAN = (1, 4094)
_ANY_ETHERNET = {"match": {"name": "e*"}}
_BOND = {"mode": "active-backup", "mii-monitor-interval": 100}

Device = dict[str, Any]
"""The settings of a network interface in `network-config`."""


@dataclass(frozen=True)
class NetworkOptions:
    """The options of `./homelab cloud-init` that describe the network, as the user wrote them."""

    gateways: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dhcp: bool = False
    interface: str | None = None
    bond: str | None = None
    vlan: int | None = None
    mtu: int | None = None


def devices_of(node: NodeSettings, options: NetworkOptions, settings: Device) -> tuple[dict[str, Any], str]:
    """Return the network interfaces of `network-config`, the last of which has `settings`, and a description."""
    mtu = {"mtu": options.mtu} if options.mtu else {}
    # `interface` in the stack file is the interface with the node's address, so with --vlan it is the VLAN
    lowest = None if options.vlan else node.interface
    config: dict[str, Any] = {}
    if options.bond:
        members, link = _members(options.bond), lowest or "bond0"
        config["ethernets"] = {member: dict(mtu) for member in members}
        config["bonds"] = {link: {"interfaces": members, "parameters": dict(_BOND)} | mtu}
        last, description = config["bonds"][link], f"{link}, a bond of {' and '.join(members)}"
    else:
        chosen = _interface("--interface", options.interface) if options.interface else None
        if chosen and lowest and chosen != lowest:
            raise StackError(
                f"--interface {chosen}: the stack file sets `interface: {lowest}` for {node.name}. Remove one of both."
            )
        chosen = chosen or lowest
        link = chosen or "lan"
        config["ethernets"] = {link: ({} if chosen else dict(_ANY_ETHERNET)) | mtu}
        last, description = (
            config["ethernets"][link],
            chosen or "every e*, such as eth0 (--interface sets one)",
        )
    if options.vlan:
        name = node.interface or f"vlan{options.vlan}"
        config["vlans"] = {name: {"id": options.vlan, "link": link} | mtu}
        last, description = config["vlans"][name], f"{name}, VLAN {options.vlan} on {description}"
    names = [name for devices in config.values() for name in devices]
    if len(names) != len(set(names)):
        raise StackError(
            f"`interface: {node.interface}` of {node.name} in the stack file must be the interface with the node's "
            "address, which --bond or --vlan creates. Write a new name, or remove `interface`."
        )
    last |= settings
    return config, description


def _members(bond: str) -> list[str]:
    members = [_interface("--bond", name.strip()) for name in bond.split(",")]
    if len(members) < 2 or len(set(members)) < len(members):
        raise StackError(f"--bond {bond}: a bond needs two or more different network interfaces, such as eth0,eth1.")
    return members


def _interface(option: str, value: str) -> str:
    try:
        return TypeAdapter(Interface).validate_python(value)
    except ValidationError as error:
        raise StackError(f"{option} {value}: {error.errors()[0]['msg']}.") from None
