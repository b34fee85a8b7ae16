"""Compares the SSH host keys that machines present with the keys that the stack file pins."""

import asyncio
import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncssh

from components.cluster.settings import BastionSettings, ClusterSettings
from operations import machines
from operations.stackfile import Loc
from provider.errors import TaskError
from provider.model import Hop, Machine
from provider.ssh.connections import CONNECT_SECONDS, Connections

_PLACEHOLDER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 38
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


class Verdict(StrEnum):
    """How the key that a machine presents compares with the pinned key."""

    SAME = "as pinned"
    NEW = "new"
    DIFFERS = "DIFFERS"
    SILENT = "no answer"


@dataclass(frozen=True)
class Place:
    """A `hostKey` setting of the stack file and the machine that it identifies."""

    loc: Loc
    """Path of the mapping with the `hostKey`, below `homelab:cluster`."""
    hop: Hop
    through: Machine | None = None

    @property
    def pinned(self) -> str | None:
        """The key that the stack file pins, if any."""
        return None if is_placeholder(self.hop.host_key) else self.hop.host_key


@dataclass(frozen=True)
class Shown:
    """The host key that a machine presented, or the reason why there is none."""

    place: Place
    key: str | None
    cause: str = ""

    @property
    def verdict(self) -> Verdict:
        """The comparison with the pinned key."""
        if self.key is None:
            return Verdict.SILENT
        if self.place.pinned is None:
            return Verdict.NEW
        return Verdict.SAME if self.key == self.place.pinned else Verdict.DIFFERS


def placeholder(number: int) -> str:
    """Return a host key that no machine has. It replaces a missing `hostKey` while the settings are validated."""
    return _PLACEHOLDER + base64.b64encode(bytes((0, number >> 8, number & 255))).decode().replace("=", "")[-4:] + "A"


def is_placeholder(key: str) -> bool:
    """Whether a key is a placeholder."""
    return key.startswith(_PLACEHOLDER)


def filled(cluster: Any) -> Any:
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


def bastions(cluster: ClusterSettings) -> list[Place]:
    """Return the `hostKey` settings of all bastions."""
    return list(_bastions(cluster))


def _bastions(cluster: ClusterSettings) -> Iterator[Place]:
    candidates: list[tuple[Loc, BastionSettings | None]] = [(("ssh", "bastion"), cluster.ssh.bastion)]
    for index, node in enumerate(cluster.nodes):
        candidates.append((("nodes", index, "ssh", "bastion"), node.ssh.bastion))
    yield from (Place(loc, machines.bastion(settings)) for loc, settings in candidates if settings)


def nodes(cluster: ClusterSettings) -> list[Place]:
    """Return the `hostKey` settings of all nodes."""
    places = []
    for index, node in enumerate(cluster.nodes):
        machine = machines.machine(node, cluster)
        through = Machine(**machine.bastion.model_dump(), sudo=False) if machine.bastion else None
        places.append(Place(("nodes", index), machine, through))
    return places


async def collect(places: Sequence[Place], keys: Mapping[str, str]) -> list[Shown]:
    """Read the host keys of all machines concurrently. Only bastions are logged in to."""
    connections = Connections(keys)
    try:
        return await asyncio.gather(*(_scan(place, connections) for place in places))
    finally:
        for place in places:
            if place.through:
                connections.close(place.through)


async def _scan(place: Place, connections: Connections) -> Shown:
    hop = place.hop
    try:
        if place.through and is_placeholder(place.through.host_key):
            return Shown(place, None, f"its bastion {place.through.address} is not trusted yet")
        tunnel = await connections.connect(place.through) if place.through else ()
        scan = asyncssh.get_server_host_key(
            hop.address, hop.port, tunnel=tunnel, config=None, server_host_key_algs=algorithms(place.pinned)
        )
        key = await asyncio.wait_for(scan, CONNECT_SECONDS)
    except (TaskError, OSError, asyncssh.Error, TimeoutError) as cause:
        return Shown(place, None, str(cause) or f"no answer within {CONNECT_SECONDS} s")
    return Shown(place, " ".join(key.export_public_key().decode().split()[:2]) if key else None)


def algorithms(pinned: str | None) -> list[str]:
    """Return the host key algorithms to request. The pinned key's type comes first, so that the types match."""
    own = pinned.split()[0] if pinned else _PREFERRED[0]
    kinds = (own, *(kind for kind in _PREFERRED if kind != own))
    return [algorithm for kind in kinds for algorithm in _ALGORITHMS.get(kind, (kind,))]


def fingerprint(key: str) -> str:
    """Return the fingerprint of a public key as `ssh-keygen -l` prints it."""
    return asyncssh.import_public_key(key).get_fingerprint()
