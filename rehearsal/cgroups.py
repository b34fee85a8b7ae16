"""Control groups of simulated machines: what a machine runs is what its groups hold."""

import os
from collections.abc import Sequence
from pathlib import Path

from rehearsal.namespace import wait

ROOT = Path("/sys/fs/cgroup")


def unified() -> bool:
    """Whether this computer has cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def create(name: str) -> list[Path]:
    """One group called `name` in every hierarchy of this computer (only one with cgroup v2)."""
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            inherited = group.parent / setting
            # version 1 gives a new group no processor at all
            if inherited.exists() and (group / setting).exists():
                (group / setting).write_text(inherited.read_text())
    return groups


def processes(groups: Sequence[Path]) -> list[int]:
    """Ids of all processes in `groups`, which hold the same ones."""
    for group in groups:
        if group.exists():
            # unlike a glob, a walk passes over folders that go away meanwhile
            return [pid for folder, *_ in os.walk(group) for pid in _pids(Path(folder, "cgroup.procs"))]
    return []


def remove(groups: Sequence[Path]) -> None:
    """Remove empty groups with all below them."""
    for group in groups:
        wait(
            lambda group=group: _removed(group),  # type: ignore[misc]
            10,
            lambda group=group: f"The control group {group} does not empty: see `cat {group}/cgroup.procs`.",  # type: ignore[misc]
        )


def memory(groups: Sequence[Path]) -> int:
    """Bytes of memory that programs in `groups` hold, file cache not counted."""
    for group in groups:
        statistics = group / "memory.stat"
        if statistics.exists():
            values = dict(line.split() for line in statistics.read_text().splitlines())
            return int(values.get("total_rss") or values.get("anon") or 0)
    return 0


def _parents() -> list[Path]:
    if unified():
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
    """One attempt, from the leaves up."""
    if not group.exists():
        return True
    try:
        for folder, *_ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
