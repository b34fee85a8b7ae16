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
from operations.cluster_access import ClusterAccess, Say, progress
from operations.machines import Failure, ScriptResult
from operations.pulumi_stack import StackError
from provider.errors import TaskError

S3 = "S3"
BEFORE_RESTORE = "before-restore"
"""Name prefix of the snapshot that a restore takes first; homelab restores this snapshot only by its full name."""
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
"""K3s names a snapshot LABEL-NODE-SECONDS, optionally with .zip. homelab uses only names of this form in paths."""
MAX_SHOWN_CHARACTERS, MAX_SHOWN_NAMES = 60, 3
"""Maximum number of characters shown of an invalid name, and maximum number of invalid names shown."""
_LINE = re.compile(rf"({NAME_PATTERN.pattern}) (\d+) (\d+(?:\.\d+)?)")


class SnapshotError(Exception):
    """An etcd snapshot does not exist, or homelab cannot use the snapshot; the message states the cause and the fix."""


@dataclass(frozen=True)
class Snapshot:
    """An etcd snapshot: `taken_at` is a Unix time, `size` is in bytes, and `locations` has server names and `S3`."""

    name: str
    taken_at: float
    size: int
    locations: tuple[str, ...]


@dataclass(frozen=True)
class Server:
    """A server of the cluster, with the snapshots on its disk.

    `k3s` is `serving`, `absent`, the state of K3s' systemd unit, or None if the machine is unreachable.
    """

    name: str
    k3s: str | None
    snapshots: tuple[Snapshot, ...] = ()
    cause: str = ""
    invalid_names: tuple[str, ...] = ()
    """Names of the files in K3s' snapshot folder that are not valid snapshot names."""


@dataclass(frozen=True)
class SnapshotInventory:
    """All servers, all etcd snapshots, and warnings about servers and S3 buckets that homelab cannot read."""

    servers: tuple[Server, ...]
    snapshots: tuple[Snapshot, ...]
    warnings: tuple[str, ...]

    @property
    def reachable_servers(self) -> tuple[str, ...]:
        """The names of the servers that answer over SSH."""
        return tuple(server.name for server in self.servers if server.k3s is not None)

    @property
    def ready_servers(self) -> tuple[str, ...]:
        """The names of the servers whose Kubernetes API is ready."""
        return tuple(server.name for server in self.servers if server.k3s == "serving")

    def choose(self, name: str | None, *, from_s3: bool = False) -> Snapshot:
        """Return the etcd snapshot `name`, or the newest etcd snapshot if `name` is None. Raises `SnapshotError`."""
        candidates = [entry for entry in self.snapshots if not from_s3 or S3 in entry.locations]
        where = "on S3" if from_s3 else "on a server that answers, or on S3"
        if name is None:
            newest = next((entry for entry in candidates if not entry.name.startswith(BEFORE_RESTORE)), None)
            if newest is None:
                raise SnapshotError(f"There is no snapshot {where}: use --file for a local snapshot file.")
            return newest
        match = next((entry for entry in candidates if entry.name == name), None)
        if match is None:
            near = difflib.get_close_matches(name, [entry.name for entry in candidates], n=3, cutoff=0.4)
            hint = f"did you mean {near[0]}?" if near else "run `./homelab snapshot --list` to list all snapshots."
            raise SnapshotError(f"There is no snapshot {name} {where}: {hint}")
        return match


async def list_snapshots(access: ClusterAccess) -> SnapshotInventory:
    """List the etcd snapshots on every server, and on S3 if k3s.snapshots.s3 is set.

    Raises `TaskError` if a script or an SSH login fails.
    """
    names = access.servers
    targets = [access.machines[name] for name in names]
    results = await machines.run_script(
        targets, access.private_keys, "etcd/list-snapshots.sh", [{} for _ in names], lambda: None
    )
    servers = tuple(_from_result(name, result) for name, result in zip(names, results, strict=True))
    warnings = [server.cause for server in servers if server.k3s is None]
    warnings += [_skipped_warning(server.name, server.invalid_names) for server in servers if server.invalid_names]
    copies = [snapshot for server in servers for snapshot in server.snapshots]
    if s3 := access.cluster.k3s.snapshots.s3:
        try:
            stored = {item.key: item for item in _stored(access, s3)}
            copies += [_from_s3(item) for key, item in stored.items() if NAME_PATTERN.fullmatch(key)]
            if invalid := [key for key in stored if not NAME_PATTERN.fullmatch(key)]:
                warnings.append(_skipped_warning(S3, invalid))
        except (bucket.BucketError, StackError) as error:
            warnings.append(f"homelab cannot list the snapshots on S3: {error}")
    return SnapshotInventory(servers, merge_copies(copies), tuple(warnings))


async def take_snapshot(access: ClusterAccess, server: str, label: str, say: Say) -> str:
    """Take a snapshot of etcd on a server, and return the snapshot's name. Raises `TaskError`."""
    copied = "yes" if access.cluster.k3s.snapshots.s3 else "no"
    task = access.task(server, step("etcd/take-snapshot.sh"), LABEL=label, COPIED=copied)
    name = (await access.runner().run(task, progress(say))).strip()
    if not NAME_PATTERN.fullmatch(name):
        raise TaskError(f"{server} reports an invalid snapshot name: {_printable(name)}")
    return name


def merge_copies(snapshots: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
    """Merge the copies of each etcd snapshot into one entry, and sort all entries from newest to oldest."""
    ordered = sorted(snapshots, key=lambda entry: entry.name)
    unique = [_merge_same(list(same)) for _, same in groupby(ordered, key=lambda entry: entry.name)]
    return tuple(sorted(unique, key=lambda entry: (-entry.taken_at, entry.name)))


def parse_server(name: str, output: str) -> Server:
    """Parse the output of `etcd/list-snapshots.sh` on a server."""
    first, *lines = output.splitlines() or [""]
    matches = {line: _LINE.fullmatch(line) for line in lines}
    snapshots = [
        Snapshot(match[1], time_from_name(match[1], float(match[3])), int(match[2]), (name,))
        for match in matches.values()
        if match
    ]
    invalid = tuple(line for line, match in matches.items() if not match)
    return Server(name, first.removeprefix("k3s ") or "unknown", tuple(snapshots), invalid_names=invalid)


def time_from_name(name: str, default: float) -> float:
    """Return the Unix time at the end of a snapshot's name, or `default` if the name contains no time."""
    match = re.search(r"-(\d{9,11})(\.zip)?$", name)
    return float(match[1]) if match else default


def age(snapshot: Snapshot) -> str:
    """Return the age of a snapshot, such as `3 h`."""
    seconds = max(0, int(time.time() - snapshot.taken_at))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _from_result(name: str, result: ScriptResult) -> Server:
    if result.failure is Failure.UNREACHABLE:
        return Server(name, None, cause=result.cause)
    if result.failure:
        raise TaskError(result.cause if name in result.cause else f"{name}: {result.cause}")
    return parse_server(name, result.output)


def _stored(access: ClusterAccess, s3: S3Settings) -> list[bucket.StoredObject]:
    names = (s3.access_key.secret, s3.secret_key.secret)
    keys = [access.stack.secret(name).strip() for name in names]
    return [item for item in bucket.list_objects(s3, keys[0], keys[1]) if item.size]


def _from_s3(stored: bucket.StoredObject) -> Snapshot:
    return Snapshot(stored.key, time_from_name(stored.key, stored.modified), stored.size, (S3,))


def _skipped_warning(location: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN_NAMES} more" if len(names) > MAX_SHOWN_NAMES else ""
    shown = ", ".join(map(_printable, names[:MAX_SHOWN_NAMES]))
    return f"homelab skipped files with invalid snapshot names on {location}: {shown}{more}"


def _printable(name: str) -> str:
    """Return an untrusted file name as one line of ASCII text."""
    return ascii(name if len(name) <= MAX_SHOWN_CHARACTERS else f"{name[:MAX_SHOWN_CHARACTERS]}…")


def _merge_same(copies: Sequence[Snapshot]) -> Snapshot:
    found = {location for entry in copies for location in entry.locations}
    locations = sorted(found, key=lambda location: (location == S3, location))
    return Snapshot(copies[0].name, copies[0].taken_at, max(entry.size for entry in copies), tuple(locations))
