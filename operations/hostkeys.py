"""The SSH host keys that machines show, beside those that the stack file pins."""

import asyncio
import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncssh

from components.lab import BastionSettings, ClusterSettings
from operations import machines
from operations.stackfile import Loc
from provider.errors import TaskError
from provider.model import Hop, Machine
from provider.ssh import CONNECT_SECONDS, Connections

_NOBODY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 38
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
_PREFERRED = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


class Verdict(StrEnum):
    """How the key that a machine shows compares with the one that is pinned."""

    SAME = "as pinned"
    NEW = "new"
    DIFFERS = "DIFFERS"
    SILENT = "no answer"


@dataclass(frozen=True)
class Place:
    """A `hostKey` of the stack file, and the machine whose it is."""

    loc: Loc
    """The mapping that holds it, below `homelab:cluster`."""
    hop: Hop
    through: Machine | None = None

    @property
    def pinned(self) -> str | None:
        """The key in the file, if there is one."""
        return None if is_placeholder(self.hop.host_key) else self.hop.host_key


@dataclass(frozen=True)
class Shown:
    """What a machine showed: its key, or why there is none."""

    place: Place
    key: str | None
    cause: str = ""

    @property
    def verdict(self) -> Verdict:
        """How it compares."""
        if self.key is None:
            return Verdict.SILENT
        if self.place.pinned is None:
            return Verdict.NEW
        return Verdict.SAME if self.key == self.place.pinned else Verdict.DIFFERS


def placeholder(number: int) -> str:
    """Return a key that is nobody's: it stands where a file has none yet, so that all else can be checked."""
    return _NOBODY + base64.b64encode(bytes((0, number >> 8, number & 255))).decode().replace("=", "")[-4:] + "A"


def is_placeholder(key: str) -> bool:
    """Whether a key is nobody's."""
    return key.startswith(_NOBODY)


def filled(cluster: Any) -> Any:
    """Return raw `homelab:cluster` settings with a placeholder wherever a `hostKey` is missing."""
    if not isinstance(cluster, Mapping) or not isinstance(cluster.get("nodes"), list):
        return cluster
    nodes_ = [_keyed(_with_bastion(node), number) for number, node in enumerate(cluster["nodes"], start=1)]
    return _with_bastion(cluster) | {"nodes": nodes_}


def _with_bastion(given: Any) -> Any:
    ssh = given.get("ssh") if isinstance(given, Mapping) else None
    if not isinstance(ssh, Mapping) or not isinstance(ssh.get("bastion"), Mapping):
        return dict(given) if isinstance(given, Mapping) else given
    return dict(given) | {"ssh": dict(ssh) | {"bastion": _keyed(dict(ssh["bastion"]), 0)}}


def _keyed(given: Any, number: int) -> Any:
    return given | {"hostKey": given.get("hostKey") or placeholder(number)} if isinstance(given, dict) else given


def bastions(cluster: ClusterSettings) -> list[Place]:
    """Return the bastions' places."""
    return list(_bastions(cluster))


def _bastions(cluster: ClusterSettings) -> Iterator[Place]:
    named: list[tuple[Loc, BastionSettings | None]] = [(("ssh", "bastion"), cluster.ssh.bastion)]
    for index, node in enumerate(cluster.nodes):
        named.append((("nodes", index, "ssh", "bastion"), node.ssh.bastion))
    yield from (Place(loc, machines.bastion(found)) for loc, found in named if found)


def nodes(cluster: ClusterSettings) -> list[Place]:
    """Return the nodes' places."""
    found = []
    for index, node in enumerate(cluster.nodes):
        reached = machines.machine(node, cluster)
        through = Machine(**reached.bastion.model_dump(), sudo=False) if reached.bastion else None
        found.append(Place(("nodes", index), reached, through))
    return found


async def collect(places: Sequence[Place], keys: Mapping[str, str]) -> list[Shown]:
    """Ask every machine for its key, all at once. No one logs in but on bastions."""
    connections = Connections(keys)
    try:
        return await asyncio.gather(*(_ask(place, connections) for place in places))
    finally:
        for place in places:
            if place.through:
                connections.forget(place.through)


async def _ask(place: Place, connections: Connections) -> Shown:
    hop = place.hop
    try:
        if place.through and is_placeholder(place.through.host_key):
            return Shown(place, None, f"its bastion {place.through.address} is not trusted yet")
        tunnel = await connections.connect(place.through) if place.through else ()
        asked = asyncssh.get_server_host_key(
            hop.address, hop.port, tunnel=tunnel, config=None, server_host_key_algs=algorithms(place.pinned)
        )
        key = await asyncio.wait_for(asked, CONNECT_SECONDS)
    except (TaskError, OSError, asyncssh.Error, TimeoutError) as cause:
        return Shown(place, None, str(cause) or f"no answer within {CONNECT_SECONDS} s")
    return Shown(place, " ".join(key.export_public_key().decode().split()[:2]) if key else None)


def algorithms(pinned: str | None) -> list[str]:
    """Return what to ask for: first a key of the pinned one's type, so that like is compared with like."""
    own = pinned.split()[0] if pinned else _PREFERRED[0]
    kinds = (own, *(kind for kind in _PREFERRED if kind != own))
    return [algorithm for kind in kinds for algorithm in _ALGORITHMS.get(kind, (kind,))]


def fingerprint(key: str) -> str:
    """Return what `ssh-keygen -l` calls a public key."""
    return asyncssh.import_public_key(key).get_fingerprint()
