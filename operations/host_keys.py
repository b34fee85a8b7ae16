"""Compares the SSH host keys that machines present with the keys that the stack file pins."""

import asyncio
import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncssh

from components.cluster.settings import BastionSettings, ClusterSettings
from operations import machines
from operations.stackfile_editor import KeyPath
from provider.errors import TaskError
from provider.model import Hop, Machine
from provider.ssh.connections import CONNECT_SECONDS, Connections
from stacks import stackfile
from stacks.settings import LabStack

_PLACEHOLDER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 38
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


class Verdict(StrEnum):
    """The result of comparing the host key that a machine presents with the pinned host key."""

    SAME = "as pinned"
    NEW = "new"
    DIFFERS = "DIFFERS"
    UNREACHABLE = "no answer"


@dataclass(frozen=True)
class HostKeySetting:
    """A `hostKey` setting of the stack file, and the machine or bastion to which the setting belongs."""

    path: KeyPath
    """Path of the mapping in the stack file that contains the `hostKey`, relative to `homelab:cluster`."""
    hop: Hop
    bastion: Machine | None = None

    @property
    def pinned(self) -> str | None:
        """The host key that the stack file pins, or None if the stack file pins no host key."""
        return None if is_placeholder(self.hop.host_key) else self.hop.host_key


@dataclass(frozen=True)
class ScannedKey:
    """The SSH host key that a machine presented, or the reason why homelab could not read a host key."""

    setting: HostKeySetting
    key: str | None
    cause: str = ""

    @property
    def verdict(self) -> Verdict:
        """The result of comparing the presented host key with the pinned host key."""
        if self.key is None:
            return Verdict.UNREACHABLE
        if self.setting.pinned is None:
            return Verdict.NEW
        return Verdict.SAME if self.key == self.setting.pinned else Verdict.DIFFERS


def placeholder(number: int) -> str:
    """Return a placeholder host key, with which homelab validates a stack file that lacks a `hostKey`."""
    return _PLACEHOLDER + base64.b64encode(bytes((0, number >> 8, number & 255))).decode().replace("=", "")[-4:] + "A"


def is_placeholder(key: str) -> bool:
    """Return whether a host key is a placeholder for a missing `hostKey`."""
    return key.startswith(_PLACEHOLDER)


def read_cluster(file: Path) -> ClusterSettings:
    """Read a stack file's cluster settings with placeholders for missing host keys; validate all other settings."""
    config, secrets = stackfile.read(file)
    config["cluster"] = with_placeholders(config.get("cluster"))
    return LabStack.parse(config, secrets, stackfile.stack_name(file)).cluster


def with_placeholders(cluster: Any) -> Any:
    """Return the raw `homelab:cluster` settings with a placeholder for every missing `hostKey`."""
    if not isinstance(cluster, Mapping) or not isinstance(cluster.get("nodes"), list):
        return cluster
    keyed = [_with_host_key(_with_bastion(node), number) for number, node in enumerate(cluster["nodes"], start=1)]
    return _with_bastion(cluster) | {"nodes": keyed}


def _with_bastion(settings: Any) -> Any:
    ssh = settings.get("ssh") if isinstance(settings, Mapping) else None
    if not isinstance(ssh, Mapping) or not isinstance(ssh.get("bastion"), Mapping):
        return dict(settings) if isinstance(settings, Mapping) else settings
    return dict(settings) | {"ssh": dict(ssh) | {"bastion": _with_host_key(dict(ssh["bastion"]), 0)}}


def _with_host_key(entry: Any, number: int) -> Any:
    return entry | {"hostKey": entry.get("hostKey") or placeholder(number)} if isinstance(entry, dict) else entry


def of_bastions(cluster: ClusterSettings) -> list[HostKeySetting]:
    """Return the `hostKey` settings of all bastions."""
    return list(_bastions(cluster))


def _bastions(cluster: ClusterSettings) -> Iterator[HostKeySetting]:
    candidates: list[tuple[KeyPath, BastionSettings | None]] = [(("ssh", "bastion"), cluster.ssh.bastion)]
    for index, node in enumerate(cluster.nodes):
        candidates.append((("nodes", index, "ssh", "bastion"), node.ssh.bastion))
    yield from (HostKeySetting(path, machines.from_bastion(settings)) for path, settings in candidates if settings)


def of_nodes(cluster: ClusterSettings) -> list[HostKeySetting]:
    """Return the `hostKey` settings of all nodes."""
    settings = []
    for index, node in enumerate(cluster.nodes):
        machine = machines.from_node(node, cluster)
        bastion = Machine(**machine.bastion.model_dump(), sudo=False) if machine.bastion else None
        settings.append(HostKeySetting(("nodes", index), machine, bastion))
    return settings


async def scan(settings: Sequence[HostKeySetting], keys: Mapping[str, str]) -> list[ScannedKey]:
    """Read the SSH host keys of all machines concurrently; homelab logs in only to bastions."""
    connections = Connections(keys)
    try:
        return await asyncio.gather(*(_scan(setting, connections) for setting in settings))
    finally:
        for setting in settings:
            if setting.bastion:
                connections.close(setting.bastion)


async def _scan(setting: HostKeySetting, connections: Connections) -> ScannedKey:
    hop = setting.hop
    try:
        if setting.bastion and is_placeholder(setting.bastion.host_key):
            return ScannedKey(setting, None, f"its bastion {setting.bastion.address} has no pinned host key yet")
        tunnel = await connections.connect(setting.bastion) if setting.bastion else ()
        scan = asyncssh.get_server_host_key(
            hop.address, hop.port, tunnel=tunnel, config=None, server_host_key_algs=algorithms(setting.pinned)
        )
        key = await asyncio.wait_for(scan, CONNECT_SECONDS)
    except (TaskError, OSError, asyncssh.Error, TimeoutError) as cause:
        return ScannedKey(setting, None, str(cause) or f"no answer within {CONNECT_SECONDS} s")
    return ScannedKey(setting, " ".join(key.export_public_key().decode().split()[:2]) if key else None)


def algorithms(pinned: str | None) -> list[str]:
    """Return the SSH host key algorithms in order of preference; the algorithm of the pinned host key is first."""
    own = pinned.split()[0] if pinned else _PREFERRED[0]
    kinds = (own, *(kind for kind in _PREFERRED if kind != own))
    return [algorithm for kind in kinds for algorithm in _ALGORITHMS.get(kind, (kind,))]


def fingerprint(key: str) -> str:
    """Return the fingerprint of a public key in the format of `ssh-keygen -l`."""
    return asyncssh.import_public_key(key).get_fingerprint()
