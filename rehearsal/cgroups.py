"""Control groups (cgroups) of simulated machines; a machine's cgroups contain all processes of the machine."""

import os
from collections.abc import Sequence
from pathlib import Path

from rehearsal.network_namespace import wait

ROOT = Path("/sys/fs/cgroup")


def is_unified() -> bool:
    """Return whether the host uses cgroup v2."""
    return (ROOT / "cgroup.controllers").exists()


def create(name: str) -> list[Path]:
    """Create the cgroup `name` in every cgroup hierarchy of the host; cgroup v2 has only one hierarchy."""
    groups = [parent / name for parent in _parents()]
    for group in groups:
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            inherited = group.parent / setting
            # in cgroup v1, a new cpuset cgroup has no CPUs and rejects processes, so copy the parent's CPUs
            if inherited.exists() and (group / setting).exists():
                (group / setting).write_text(inherited.read_text())
    return groups


def processes(groups: Sequence[Path]) -> list[int]:
    """Return the process IDs of a simulated machine, from the first existing cgroup in `groups`."""
    for group in groups:
        if group.exists():
            # os.walk, unlike glob, tolerates cgroups that are removed during the walk
            return [pid for folder, *_ in os.walk(group) for pid in _pids(Path(folder, "cgroup.procs"))]
    return []


def remove(groups: Sequence[Path]) -> None:
    """Remove cgroups with their subgroups; wait up to 10 seconds per cgroup until the cgroup has no processes."""
    for group in groups:
        wait(
            lambda group=group: _removed(group),  # type: ignore[misc]
            10,
            lambda group=group: (  # type: ignore[misc]
                f"The control group {group} still has processes: list the process IDs with `cat {group}/cgroup.procs`."
            ),
        )


def memory(groups: Sequence[Path]) -> int:
    """Return the memory use of a simulated machine's processes in bytes, without the page cache."""
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
    """Try to remove a cgroup after its subgroups; return whether the removal succeeded."""
    if not group.exists():
        return True
    try:
        for folder, *_ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
