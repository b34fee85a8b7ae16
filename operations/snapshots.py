"""Snapshots of etcd: which there are, on the servers and on S3, dead or alive; taking one, and choosing one."""

import difflib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from components.distribution import S3Settings
from components.machine import step
from operations import bucket, machines
from operations.machines import Answer, Failure
from operations.site import Say, Site, progress
from operations.stack import StackError
from provider.errors import TaskError

S3 = "S3"
BEFORE = "before-restore"
"""How the snapshot is named that a restore takes of what it replaces; never chosen unless it is named."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""K3s names a snapshot LABEL-NODE-SECONDS, perhaps with .zip behind it; only such a name is made part of a path."""
LONGEST, SHOWN = 60, 3
"""Characters that are told of a name that is none, and how many of these."""
_LINE = re.compile(rf"({NAME.pattern}) (\d+) (\d+(?:\.\d+)?)")


class SnapshotError(Exception):
    """There is no such snapshot. The text says what there is."""


@dataclass(frozen=True)
class Snapshot:
    """One snapshot; `places` are servers, then S3."""

    name: str
    taken: float
    size: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """How a server is: K3s there is serving, active, inactive, …, or absent; None: the machine does not answer."""

    name: str
    k3s: str | None
    snapshots: tuple[Snapshot, ...] = ()
    cause: str = ""
    strange: tuple[str, ...] = ()
    """What lies among the snapshots and is none by its name."""


@dataclass(frozen=True)
class Found:
    """What was looked at. `notes` say what could not be."""

    servers: tuple[Server, ...]
    snapshots: tuple[Snapshot, ...]
    notes: tuple[str, ...]

    @property
    def answering(self) -> tuple[str, ...]:
        """The servers that answer."""
        return tuple(server.name for server in self.servers if server.k3s is not None)

    @property
    def serving(self) -> tuple[str, ...]:
        """The servers whose API answers."""
        return tuple(server.name for server in self.servers if server.k3s == "serving")

    def choose(self, name: str | None, *, from_s3: bool = False) -> Snapshot:
        """Return the snapshot of that name, or the newest. Raises `SnapshotError`."""
        known = [each for each in self.snapshots if not from_s3 or S3 in each.places]
        where = "on S3" if from_s3 else "on any server that answers, nor on S3"
        if name is None:
            newest = next((each for each in known if not each.name.startswith(BEFORE)), None)
            if newest is None:
                raise SnapshotError(f"There is no snapshot {where}: give one of your own with --file.")
            return newest
        found = next((each for each in known if each.name == name), None)
        if found is None:
            near = difflib.get_close_matches(name, [each.name for each in known], n=3, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "`homelab snapshot --list` names what there is."
            raise SnapshotError(f"There is no snapshot {name} {where}: {hint}")
        return found


async def look(site: Site) -> Found:
    """Ask every server, and S3 if there is a bucket. Raises `TaskError` if a machine must not be trusted."""
    names = site.servers
    asked = [site.machines[name] for name in names]
    answers = await machines.ask(asked, site.keys, "snapshots.sh", [{} for _ in names], lambda: None)
    servers = tuple(_server(name, answer) for name, answer in zip(names, answers, strict=True))
    notes = [server.cause for server in servers if server.k3s is None]
    notes += [_left_out(server.name, server.strange) for server in servers if server.strange]
    every = [snapshot for server in servers for snapshot in server.snapshots]
    if s3 := site.cluster.k3s.snapshots.s3:
        try:
            stored = {each.key: each for each in _stored(site, s3)}
            every += [_of(each) for key, each in stored.items() if NAME.fullmatch(key)]
            if strange := [key for key in stored if not NAME.fullmatch(key)]:
                notes.append(_left_out(S3, strange))
        except (bucket.BucketError, StackError) as error:
            notes.append(f"S3 was not looked at: {error}")
    return Found(servers, merged(every), tuple(notes))


async def take(site: Site, server: str, label: str, say: Say) -> str:
    """Take a snapshot on a server and return its name. Raises `TaskError`."""
    copied = "yes" if site.cluster.k3s.snapshots.s3 else "no"
    task = site.task(server, step("snapshot.sh"), LABEL=label, COPIED=copied)
    name = (await site.runner().run(task, progress(say))).strip()
    if not NAME.fullmatch(name):
        raise TaskError(f"{server} says that it took a snapshot of a name that K3s does not make: {_named(name)}")
    return name


def merged(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """The newest first, each once with all its places."""
    ordered = sorted(snapshots, key=lambda each: each.name)
    joined = [_joined(list(same)) for _, same in groupby(ordered, key=lambda each: each.name)]
    return tuple(sorted(joined, key=lambda each: (-each.taken, each.name)))


def parsed(name: str, said: str) -> Server:
    """What `snapshots.sh` said on a server."""
    first, *lines = said.splitlines() or [""]
    read = {line: _LINE.fullmatch(line) for line in lines}
    snapshots = [
        Snapshot(found[1], taken(found[1], float(found[3])), int(found[2]), (name,)) for found in read.values() if found
    ]
    strange = tuple(line for line, found in read.items() if not found)
    return Server(name, first.removeprefix("k3s ") or "unknown", tuple(snapshots), strange=strange)


def taken(name: str, otherwise: float) -> float:
    """When a snapshot was taken: K3s ends its name with that."""
    found = re.search(r"-(\d{9,11})(\.zip)?$", name)
    return float(found[1]) if found else otherwise


def age(snapshot: Snapshot) -> str:
    """How old it is, in words."""
    seconds = max(0, int(time.time() - snapshot.taken))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _server(name: str, answer: Answer) -> Server:
    if answer.failure is Failure.REACH:
        return Server(name, None, cause=answer.cause)
    if answer.failure:
        raise TaskError(answer.cause if name in answer.cause else f"{name}: {answer.cause}")
    return parsed(name, answer.output)


def _stored(site: Site, s3: S3Settings) -> list[bucket.Object]:
    names = (s3.access_key.secret, s3.secret_key.secret)
    keys = [site.stack.secret(name).strip() for name in names]
    return [each for each in bucket.objects(s3, keys[0], keys[1]) if each.size]


def _of(stored: bucket.Object) -> Snapshot:
    return Snapshot(stored.key, taken(stored.key, stored.written), stored.size, (S3,))


def _left_out(place: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    shown = ", ".join(map(_named, names[:SHOWN]))
    return f"{place} holds what is no snapshot of K3s by its name, and was left out: {shown}{more}"


def _named(name: str) -> str:
    """A name of any kind, on one line."""
    return ascii(name if len(name) <= LONGEST else f"{name[:LONGEST]}…")


def _joined(same: Sequence[Snapshot]) -> Snapshot:
    places = sorted({place for each in same for place in each.places}, key=lambda place: (place == S3, place))
    return Snapshot(same[0].name, same[0].taken, max(each.size for each in same), tuple(places))
