"""`./homelab cloud-init`: writes cloud-init's NoCloud files for the first boot of a machine, and pins its host key."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from components.cluster.settings import ClusterSettings
from operations import files, host_keys, stackfile_editor
from operations.console import console, report_errors
from operations.first_boot import folder as seed
from operations.first_boot.authorized_keys import authorized_keys
from operations.first_boot.devices import MTU, VLAN, NetworkOptions
from operations.first_boot.network import network_of
from operations.first_boot.user_data import meta_data, new_host_key, user_data, yaml_text
from operations.host_keys import HostKeySetting, fingerprint
from operations.pulumi_stack import PROJECT_FOLDER, Stack, StackError, StackFile, StackName
from stacks.validation_errors import suggest_fix

_DEFAULT_FOLDER = "first-boot"

Gateways = Annotated[
    list[str] | None,
    typer.Option("--gateway", help="Address of your router; once per IP family. Default: the LAN's first address."),
]
DnsServers = Annotated[
    list[str] | None,
    typer.Option("--dns", help="DNS server; repeatable. Default: machine.dnsServers, or the gateway."),
]
AuthorizedKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--authorized-key",
        metavar="FILE",
        help="Public key for SSH logins; repeatable. Default: the key of ssh.privateKey, or your SSH agent's keys.",
    ),
]


def cloud_init(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name of the node in the stack file.")],
    stack: StackName = "homelab",
    config_file: StackFile = None,
    *,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the files. Default: first-boot/NODE.")
    ] = None,
    authorized_key: AuthorizedKeys = None,
    gateway: Gateways = None,
    dns: DnsServers = None,
    dhcp: Annotated[bool, typer.Option("--dhcp", help="Use DHCP instead of the node's static address.")] = False,
    interface: Annotated[
        str | None,
        typer.Option(help="Network interface. Default: every Ethernet interface whose name starts with e."),
    ] = None,
    bond: Annotated[
        str | None, typer.Option(metavar="IF,IF", help="Network interfaces of an active-backup bond.")
    ] = None,
    vlan: Annotated[int | None, typer.Option(min=VLAN[0], max=VLAN[1], metavar="ID", help="VLAN of the LAN.")] = None,
    mtu: Annotated[int | None, typer.Option(min=MTU[0], max=MTU[1], metavar="BYTES", help="MTU of the LAN.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the node's hostKey, and the files of an earlier run.")
    ] = False,
) -> None:
    """Write cloud-init's files for a machine's first boot, with a new SSH host key, and pin this key in the stack file.

    The machine then boots with the node's name and address, and accepts SSH logins of the stack's user.
    """
    target = Stack(stack, config_file)
    options = NetworkOptions(tuple(gateway or ()), tuple(dns or ()), dhcp, interface, bond, vlan, mtu)
    with report_errors():
        cluster = host_keys.read_cluster(target.file)
        setting = _setting_of(node, cluster)
        _require_no_host_key(setting, target, overwrite)
        settings = cluster.nodes[int(setting.path[-1])]
        ssh = cluster.ssh_of(settings)
        network = network_of(settings, cluster, options)
        keys = authorized_keys(authorized_key or (), ssh, target)
        folder = (output or PROJECT_FOLDER / _DEFAULT_FOLDER / node).expanduser().resolve()
        if seed.require_usable(folder) and not overwrite:
            question = f"{folder} has files of an earlier run. Replace them? (--overwrite skips this question)"
            typer.confirm(question, abort=True)
        key = new_host_key()
        texts = {
            seed.USER_DATA: user_data(settings, ssh, keys, key),
            seed.META_DATA: meta_data(settings, key),
            seed.NETWORK_CONFIG: yaml_text(network.config),
        }
        with seed.written(folder, texts):
            before = target.file.read_text(encoding="utf-8")
            files.replace(target.file, stackfile_editor.with_host_keys(before, {setting.path: key.public}))
    explanations = (*network.explanations, f"SSH logins: {ssh.user}, with {', '.join(map(fingerprint, keys))}.")
    _explain(node, target, folder, explanations, key.public)


def _setting_of(name: str, cluster: ClusterSettings) -> HostKeySetting:
    for setting in host_keys.of_nodes(cluster):
        if setting.hop.name == name:
            return setting
    raise StackError(f"The stack file has no node {name}: {suggest_fix(name, [node.name for node in cluster.nodes])}")


def _require_no_host_key(setting: HostKeySetting, stack: Stack, overwrite: bool) -> None:
    if setting.pinned and not overwrite:
        name = setting.hop.name
        raise StackError(
            f"{stack.file.name} has a hostKey for {name}. With a new hostKey, homelab refuses to connect to {name} "
            f"until {name} boots with the new files. If you are about to reinstall {name}, add --overwrite. "
            "If the hostKey is only an example, delete it."
        )


def _explain(node: str, stack: Stack, folder: Path, explanations: tuple[str, ...], public: str) -> None:
    shown = shlex.quote(str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder))
    which = f"--stack {stack.name}" + (f" --config-file {stack.stack_file}" if stack.stack_file else "")
    names = f"{seed.USER_DATA} {seed.META_DATA} {seed.NETWORK_CONFIG}"
    lines = (
        f"{shown}: {', '.join(names.split())} written for {node}.",
        f"{stack.file.name}: hostKey of {node} pinned, {fingerprint(public)}.",
        *explanations,
        "",
        "Raspberry Pi OS, and Ubuntu for Raspberry Pi: copy the three files to the boot partition of the card.",
        "Other machines: attach a volume with the label CIDATA, such as a USB stick or a virtual CD. To create it:",
        f"  (umask 077; cd {shown} && genisoimage -quiet -joliet -rock -volid CIDATA -output {seed.VOLUME} {names})",
        f"{seed.USER_DATA} contains the private host key of {node}. After the first boot, delete the volume and:",
        f"  rm -r {shown}",
        f"Next: boot {node}, then `./homelab doctor {which}`.",
    )
    for line in lines:
        console.print(line, soft_wrap=True)
