"""Checks of the settings under `machine`, of the cluster and of its nodes."""

import re
from collections import Counter
from collections.abc import Iterable

from components.cluster.machine import K3S_DATA
from components.cluster.machine_settings import MachineSettings
from components.cluster.settings import ClusterSettings, NodeSettings
from components.settings.checks import exactly_one
from components.settings.errors import Findings, SettingPath
from components.settings.host_paths import is_within
from stacks.catalog import LAYERS
from stacks.checks.machine_ownership import (
    FOLDERS,
    MODULES,
    PARAMETERS,
    REMOVE,
    SYSCTLS,
    SYSTEM_FOLDERS,
    UNITS,
    file_fix,
)
from stacks.platform_settings import PlatformSettings

_DEVICES = {
    "nfs": (r"([A-Za-z0-9._-]+|\[[0-9a-f:]+\]):/.*", "nas.lan:/export/media"),
    "cifs": (r"//[^/]+/.+", "//nas.lan/media"),
    "bind": (r"(/[A-Za-z0-9._-]+)+", "/mnt/ssd/k3s"),
}
MAX_DNS_SERVERS = 3
"""Number of DNS servers that the C library and Kubernetes use at most."""


def _twice(key: str, names: Iterable[str]) -> Findings:
    for name, count in Counter(names).items():
        if count > 1:
            yield (key,), f"contains {name} {count} times", "keep one of them"


def _findings(machine: MachineSettings) -> Findings:
    for key, names in (
        ("timeServers", machine.time_servers),
        ("dnsServers", machine.dns_servers),
        ("packages", machine.packages),
        ("kernelModules", machine.kernel_modules),
        ("kernelParameters", machine.kernel_parameters),
    ):
        yield from _twice(key, names)
    if len(machine.dns_servers) > MAX_DNS_SERVERS:
        yield ("dnsServers",), f"has {len(machine.dns_servers)} servers", f"use at most {MAX_DNS_SERVERS}"
    for name in machine.sysctl:
        if found := SYSCTLS.get(name):
            yield ("sysctl", name), *found
    for index, name in enumerate(machine.kernel_modules):
        if name.replace("-", "_") in MODULES:
            yield ("kernelModules", index), "is loaded by homelab", REMOVE
    for index, parameter in enumerate(machine.kernel_parameters):
        if fix := PARAMETERS.get(parameter.partition("=")[0]):
            yield ("kernelParameters", index), "cannot be set here", fix
    yield from _files(machine)
    yield from _folders(machine)
    yield from _mounts(machine)
    yield from _disks(machine)


def _files(machine: MachineSettings) -> Findings:
    for path, file in machine.files.items():
        if (file.content is None) == (file.content_from is None):
            yield ("files", path), "needs exactly one of content and contentFrom", "add one, or keep one of them"
        if file.content_from and file.mode[-1] != "0":
            yield ("files", path, "mode"), "lets every user read the secret", 'use "0600", or "0640" with a group'
        if fix := file_fix(path):
            yield ("files", path), "belongs to the system, homelab or K3s", fix
        for index, unit in enumerate(file.restart):
            if fix := UNITS.get(unit.removesuffix(".service")):
                yield ("files", path, "restart", index), "must not be restarted by a file", fix


def _folders(machine: MachineSettings) -> Findings:
    for key, path in (*(("mounts", path) for path in machine.mounts), *(("disks", path) for path in machine.disks)):
        is_local = key == "disks" or machine.mounts[path].type == "bind"
        if path == K3S_DATA and is_local:
            continue
        if path in SYSTEM_FOLDERS or any(is_within(path, folder) for folder in FOLDERS):
            yield (key, path), "is a folder of the system, homelab or K3s", "choose another folder, such as /srv/media"
        if path in machine.files or (key == "disks" and path in machine.mounts):
            yield (key, path), "is also under another key", "keep one of them"


def _disks(machine: MachineSettings) -> Findings:
    for path, disk in machine.disks.items():
        yield from exactly_one(("disks", path), disk, "device", "uuid")
    sources = [disk.device or disk.uuid for disk in machine.disks.values()]
    yield from _twice("disks", filter(None, sources))


def _mounts(machine: MachineSettings) -> Findings:
    for path, mount in machine.mounts.items():
        place = ("mounts", path)
        form, example = _DEVICES[mount.type]
        if not re.fullmatch(form, mount.device):
            yield (*place, "device"), f"is not a file system of type {mount.type}", f"write it as {example}"
        if mount.type != "cifs" and (mount.username or mount.password):
            name = "NFS does" if mount.type == "nfs" else "bind mounts do"
            yield place, f"has credentials, which {name} not use", "remove username and password"
        if mount.type == "bind" and (is_within(mount.device, path) or is_within(path, mount.device)):
            yield (*place, "device"), f"overlaps {path}", "choose a folder outside of it"
        if mount.type == "cifs" and bool(mount.username) != bool(mount.password):
            yield place, "needs both username and password, or neither", "add the other key"


def _of_cluster(cluster: ClusterSettings) -> Findings:
    for loc, reason, fix in _findings(cluster.machine):
        yield ("machine", *loc), reason, fix


def _of_node(cluster: ClusterSettings, node: NodeSettings) -> Findings:
    for loc, reason, fix in _findings(node.machine):
        yield ("machine", *loc), reason, fix


def module_findings(cluster: ClusterSettings, platform: PlatformSettings) -> Findings:
    """Yield an error for each kernel module that another setting loads already."""
    owners = {"nfs": "apps.nfs"} if cluster.apps.nfs else {}
    if cluster.network.flannel_backend == "wireguard-native":
        owners["wireguard"] = "network.flannelBackend"
    for entry in LAYERS:
        if entry.layer.key in platform.enabled_layers():
            owners |= dict.fromkeys(entry.layer.host_requirements.modules, f"platform.{entry.layer.key}")
    places: dict[SettingPath, MachineSettings] = {("machine",): cluster.machine}
    places |= {("nodes", index, "machine"): node.machine for index, node in enumerate(cluster.nodes)}
    for path, machine in places.items():
        for index, name in enumerate(machine.kernel_modules):
            if owner := owners.get(name.replace("-", "_")):
                yield (*path, "kernelModules", index), f"is loaded by homelab for {owner}", REMOVE


CLUSTER_CHECKS = (_of_cluster,)
NODE_CHECKS = (_of_node,)
