"""Lists, takes and chooses snapshots of etcd on the servers and on S3."""

import difflib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from components.cluster.k3s.settings import S3Settings
from components.provider_resources import step
from operations import bucket, machines
from operations.cluster_access import Say, Site, progress
from operations.machines import Answer, Failure
from operations.pulumi_stack import StackError
from provider.errors import TaskError

S3 = "S3"
BEFORE = "before-restore"
"""Name prefix of the snapshot that a restore takes first. Such a snapshot is restored only if you name it."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""K3s names a snapshot LABEL-NODE-SECONDS, optionally with .zip. Only names of this form are used in paths."""
LONGEST, SHOWN = 60, 3
"""Maximum number of characters shown of an invalid name, and maximum number of invalid names shown."""
_LINE = re.compile(rf"({NAME.pattern}) (\d+) (\d+(?:\.\d+)?)")


class SnapshotError(Exception):
    """A snapshot does not exist or cannot be used. The message states the cause and the fix."""


@dataclass(frozen=True)
class Snapshot:
    """One snapshot: `taken` is a Unix time, `size` is in bytes, `places` are the servers that have it, then S3."""

    name: str
    taken: float
    size: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """A server: `k3s` is serving, absent or the state of its systemd unit; `None` if the machine does not answer."""

    name: str
    k3s: str | None
    snapshots: tuple[Snapshot, ...] = ()
    cause: str = ""
    strange: tuple[str, ...] = ()
    """Names in the snapshot folder that K3s does not give to snapshots."""


@dataclass(frozen=True)
class Found:
    """The servers and all snapshots found; `notes` are warnings about servers and buckets that could not be read."""

    servers: tuple[Server, ...]
    snapshots: tuple[Snapshot, ...]
    notes: tuple[str, ...]

    @property
    def answering(self) -> tuple[str, ...]:
        """Names of the servers that answer over SSH."""
        return tuple(server.name for server in self.servers if server.k3s is not None)

    @property
    def serving(self) -> tuple[str, ...]:
        """Names of the servers whose API is ready."""
        return tuple(server.name for server in self.servers if server.k3s == "serving")

    def choose(self, name: str | None, *, from_s3: bool = False) -> Snapshot:
        """Return the snapshot of that name, or the newest one. Raises `SnapshotError`."""
        candidates = [entry for entry in self.snapshots if not from_s3 or S3 in entry.places]
        where = "on S3" if from_s3 else "on a server that answers, or on S3"
        if name is None:
            newest = next((entry for entry in candidates if not entry.name.startswith(BEFORE)), None)
            if newest is None:
                raise SnapshotError(f"There is no snapshot {where}: use --file for a local snapshot file.")
            return newest
        match = next((entry for entry in candidates if entry.name == name), None)
        if match is None:
            near = difflib.get_close_matches(name, [entry.name for entry in candidates], n=3, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "run `homelab snapshot --list` to list all snapshots."
            raise SnapshotError(f"There is no snapshot {name} {where}: {hint}")
        return match


async def look(site: Site) -> Found:
    """List the snapshots of every server, and of S3 if configured. Raises `TaskError` if a script or login fails."""
    names = site.servers
    targets = [site.machines[name] for name in names]
    answers = await machines.ask(targets, site.keys, "etcd/list-snapshots.sh", [{} for _ in names], lambda: None)
    servers = tuple(_server(name, answer) for name, answer in zip(names, answers, strict=True))
    notes = [server.cause for server in servers if server.k3s is None]
    notes += [_skipped_note(server.name, server.strange) for server in servers if server.strange]
    copies = [snapshot for server in servers for snapshot in server.snapshots]
    if s3 := site.cluster.k3s.snapshots.s3:
        try:
            stored = {item.key: item for item in _stored(site, s3)}
            copies += [_from_s3(item) for key, item in stored.items() if NAME.fullmatch(key)]
            if strange := [key for key in stored if not NAME.fullmatch(key)]:
                notes.append(_skipped_note(S3, strange))
        except (bucket.BucketError, StackError) as error:
            notes.append(f"The snapshots on S3 cannot be listed: {error}")
    return Found(servers, merged(copies), tuple(notes))


async def take(site: Site, server: str, label: str, say: Say) -> str:
    """Take a snapshot on a server and return its name. Raises `TaskError`."""
    copied = "yes" if site.cluster.k3s.snapshots.s3 else "no"
    task = site.task(server, step("etcd/take-snapshot.sh"), LABEL=label, COPIED=copied)
    name = (await site.runner().run(task, progress(say))).strip()
    if not NAME.fullmatch(name):
        raise TaskError(f"{server} reports a snapshot with a name that K3s does not use: {_printable(name)}")
    return name


def merged(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Merge the copies of each snapshot, and sort the snapshots by age, the newest first."""
    ordered = sorted(snapshots, key=lambda entry: entry.name)
    unique = [_merge_same(list(same)) for _, same in groupby(ordered, key=lambda entry: entry.name)]
    return tuple(sorted(unique, key=lambda entry: (-entry.taken, entry.name)))


def parsed(name: str, output: str) -> Server:
    """Parse the output of `etcd/list-snapshots.sh` on a server."""
    first, *lines = output.splitlines() or [""]
    matches = {line: _LINE.fullmatch(line) for line in lines}
    snapshots = [
        Snapshot(match[1], taken(match[1], float(match[3])), int(match[2]), (name,))
        for match in matches.values()
        if match
    ]
    strange = tuple(line for line, match in matches.items() if not match)
    return Server(name, first.removeprefix("k3s ") or "unknown", tuple(snapshots), strange=strange)


def taken(name: str, otherwise: float) -> float:
    """Return the Unix time at the end of a snapshot's name, or `otherwise` if the name has none."""
    match = re.search(r"-(\d{9,11})(\.zip)?$", name)
    return float(match[1]) if match else otherwise


def age(snapshot: Snapshot) -> str:
    """Return the age of a snapshot, such as `3 h`."""
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
    return [item for item in bucket.objects(s3, keys[0], keys[1]) if item.size]


def _from_s3(stored: bucket.Object) -> Snapshot:
    return Snapshot(stored.key, taken(stored.key, stored.written), stored.size, (S3,))


def _skipped_note(place: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    shown = ", ".join(map(_printable, names[:SHOWN]))
    return f"{place} has files whose names are not K3s snapshot names; they were skipped: {shown}{more}"


def _printable(name: str) -> str:
    """Return an untrusted name as one line of ASCII."""
    return ascii(name if len(name) <= LONGEST else f"{name[:LONGEST]}…")


def _merge_same(copies: Sequence[Snapshot]) -> Snapshot:
    places = sorted({place for entry in copies for place in entry.places}, key=lambda place: (place == S3, place))
    return Snapshot(copies[0].name, copies[0].taken, max(entry.size for entry in copies), tuple(places))
