"""Control groups of simulated machines: all processes of a machine are in its groups."""

import os
from collections.abc import Sequence
from pathlib import Path

from rehearsal.namespace import wait

ROOT = Path("/sys/fs/cgroup")


def is_unified() -> bool:
    """Return whether this computer uses cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def create(name: str) -> list[Path]:
    """Create the group `name` in every cgroup hierarchy of this computer (cgroup v2 has only one)."""
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            inherited = group.parent / setting
            # with cgroup v1, a new cpuset is empty
            if inherited.exists() and (group / setting).exists():
                (group / setting).write_text(inherited.read_text())
    return groups


def processes(groups: Sequence[Path]) -> list[int]:
    """Return the IDs of a machine's processes, from the first of its `groups` that exists."""
    for group in groups:
        if group.exists():
            # os.walk, unlike glob, tolerates folders that are removed meanwhile
            return [pid for folder, *_ in os.walk(group) for pid in _pids(Path(folder, "cgroup.procs"))]
    return []


def remove(groups: Sequence[Path]) -> None:
    """Remove empty groups and their subgroups; wait up to 10 seconds for them to become empty."""
    for group in groups:
        wait(
            lambda group=group: _removed(group),  # type: ignore[misc]
            10,
            lambda group=group: (  # type: ignore[misc]
                f"The control group {group} still has processes: list their IDs with `cat {group}/cgroup.procs`."
            ),
        )


def memory(groups: Sequence[Path]) -> int:
    """Return the memory that processes in `groups` use, in bytes, without the file cache."""
    for group in groups:
        statistics = group / "memory.stat"
        if statistics.exists():
            values = dict(line.split() for line in statistics.read_text().splitlines())
            return int(values.get("total_rss") or values.get("anon") or 0)
    return 0


def _parents() -> list[Path]:
    if is_unified():
        return [ROOT]
    parents = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        hierarchy = ROOT / (controllers.removeprefix("name=") or "unified")
        if hierarchy.is_dir():
            parents.append(hierarchy / path.lstrip("/"))
    return parents


def _pids(file: Path) -> list[int]:
    try:
        return [int(pid) for pid in file.read_text().split()]
    except OSError:
        return []


def _removed(group: Path) -> bool:
    """Try once to remove a group, deepest subgroups first; return whether it is removed."""
    if not group.exists():
        return True
    try:
        for folder, *_ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
