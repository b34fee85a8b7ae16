"""The network of a machine at its first boot: cloud-init's `network-config`, version 2."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any

from pydantic_core import PydanticCustomError

from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings import addresses
from operations.first_boot.devices import Device, NetworkOptions, devices_of
from operations.pulumi_stack import StackError

_DEFAULT_ROUTES = {4: "0.0.0.0/0", 6: "::/0"}  # older versions of netplan and cloud-init do not know `default`


@dataclass(frozen=True)
class Network:
    """The `network-config` of a machine, and sentences that explain the values that homelab chose."""

    config: dict[str, Any]
    explanations: tuple[str, ...]


def network_of(node: NodeSettings, cluster: ClusterSettings, options: NetworkOptions) -> Network:
    """Return the network of a node at its first boot. Raises `StackError` if an option does not fit the node."""
    if options.dhcp and (options.gateways or options.dns):
        raise StackError("--dhcp excludes --gateway and --dns, which the DHCP server assigns. Remove them, or --dhcp.")
    if options.bond and options.interface:
        raise StackError("--bond excludes --interface, because --bond names the interfaces. Remove --interface.")
    settings, explanations = _dhcp(node) if options.dhcp else _static(node, cluster, options)
    config, device = devices_of(node, options, settings)
    return Network({"version": 2} | config, (f"Network interface: {device}.", *explanations))


def _dhcp(node: NodeSettings) -> tuple[Device, tuple[str, ...]]:
    versions = {ip_address(address).version for address in node.addresses}
    # without `dhcp-identifier`, systemd-networkd sends a DUID, which is not the MAC address in the reservation
    settings = {f"dhcp{version}": True for version in sorted(versions)} | {"dhcp-identifier": "mac"}
    return settings, (f"Addresses: from DHCP. Reserve {' and '.join(node.addresses)} for {node.name} in your router.",)


def _static(node: NodeSettings, cluster: ClusterSettings, options: NetworkOptions) -> tuple[Device, tuple[str, ...]]:
    own = [_with_prefix(address, cluster) for address in node.addresses]
    gateways, explained = _gateways(node, cluster, own, [_address("--gateway", value) for value in options.gateways])
    dns, source = [_address("--dns", value) for value in options.dns], ""
    if not dns and (configured := cluster.machine_of(node).dns_servers):
        dns, source = list(configured), " (machine.dnsServers)"
    elif not dns:
        dns, source = gateways, " (the gateway; --dns sets another)"
    settings: Device = {"addresses": [str(address) for address in own]}
    if gateways:
        routes = [{"to": _DEFAULT_ROUTES[ip_address(gateway).version], "via": gateway} for gateway in gateways]
        settings["routes"] = routes
    if dns:
        settings["nameservers"] = {"addresses": dns}
    servers = f"DNS servers: {', '.join(dns)}{source}." if dns else "DNS servers: from router advertisements."
    return settings, (f"Addresses: {', '.join(settings['addresses'])}.", *explained, servers)


def _with_prefix(address: str, cluster: ClusterSettings) -> IPv4Interface | IPv6Interface:
    network = ip_network(cluster.lan)
    if ip_address(address) not in network:
        network = ip_network(addresses.default_lan(address))
    return ip_interface(f"{address}/{network.prefixlen}")


def _gateways(
    node: NodeSettings, cluster: ClusterSettings, own: list[IPv4Interface | IPv6Interface], given: list[str]
) -> tuple[list[str], list[str]]:
    """Return at most one gateway for each of the node's addresses, and explanations."""
    gateways, explanations = [], []
    for address in own:
        of_family = [value for value in given if ip_address(value).version == address.version]
        if len(of_family) > 1:
            raise StackError(f"--gateway: {' and '.join(of_family)} are of one IP family. Give one gateway per family.")
        if of_family:
            gateways += of_family
            _require_neighbour(of_family[0], address)
            explanations.append(f"Gateway: {of_family[0]}.")
        elif address.version == 6:
            explanations.append("IPv6 gateway: from router advertisements (--gateway sets one).")
        else:
            gateways.append(_first_address(node, cluster, address))
            explanations.append(
                f"Gateway: {gateways[-1]} (the first address of {address.network}; --gateway sets another)."
            )
    for value in given:
        if value not in gateways:
            raise StackError(f"--gateway {value}: {node.name} has no address of this IP family. Remove the option.")
    return gateways, explanations


def _require_neighbour(gateway: str, own: IPv4Interface | IPv6Interface) -> None:
    address = ip_address(gateway)
    if address == own.ip:
        raise StackError(f"--gateway {gateway} is the machine's own address. Use the address of your router.")
    if address.version == 6 and address.is_link_local:
        return
    if address not in own.network:
        raise StackError(
            f"--gateway {gateway} is outside {own.network}, so the machine cannot reach it. Use the address of your "
            "router in this network, or correct `lan` in the stack file."
        )
    if edge := addresses.edge_of(gateway, str(own.network)):
        raise StackError(f"--gateway {gateway} is the {edge} address of {own.network}. Use the address of your router.")


def _first_address(node: NodeSettings, cluster: ClusterSettings, own: IPv4Interface | IPv6Interface) -> str:
    first = str(next(iter(own.network.hosts())))
    owners = {address: each.name for each in cluster.nodes for address in each.addresses}
    owners |= {str(cluster.api.vip): "the virtual IP of the API"} | {b.address: "a bastion" for b in cluster.bastions}
    if first in owners:
        raise StackError(
            f"The gateway of {node.name} is unknown: {first}, the first address of {own.network}, belongs to "
            f"{owners[first]}. Add --gateway with the address of your router."
        )
    return first


def _address(option: str, value: str) -> str:
    try:
        return str(ip_address(value)) if _is_link_local_ipv6(value) else addresses.machine_ip(value)
    except PydanticCustomError as error:
        raise StackError(f"{option} {value}: {error.message()}.") from None


def _is_link_local_ipv6(value: str) -> bool:
    return addresses.is_address(value) and ip_address(value).version == 6 and ip_address(value).is_link_local
