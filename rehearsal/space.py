"""Room on this computer's disks: what a rehearsal takes, and a refusal where so much is not free."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import cache, go, hardware
from rehearsal.lab import Lab
from rehearsal.places import states
from rehearsal.shell import RehearsalError, run
from stacks.settings import Settings

MIRROR = 400 << 20
TOOLS = 4 << 30
BUILDING = 23 << 30
"""Bytes by measurement: K3s as it is served, tools with the machines' system, and Go's caches once all was built."""
SPARE = 1 << 30
"""Bytes that stay free: so much the program itself wants of a machine, and every machine sees this computer's disk."""


@dataclass(frozen=True)
class Need:
    """What takes `size` bytes in a folder, and what else to do about it than to make room."""

    what: str
    folder: Path
    size: int
    way_out: str
    many: bool = True


def refuse_short(lab: Lab, settings: Settings) -> None:
    """Fail, with what to do, where the lab and the tools do not fit on the disks that they go to."""
    check([need for need in (_lab(lab, settings), _tools()) if need.size])


def refuse_building() -> None:
    """Fail, with what to do, where Go's caches have no room for all that is built if nothing can be fetched."""
    go.release()
    folders = [Path(line) for line in run(["go", "env", "GOCACHE", "GOMODCACHE"]).splitlines()]
    missing = max(BUILDING - _held(folders), 0)
    way_out = "let GOCACHE and GOMODCACHE name folders on a larger disk"
    check([Need("what is built here, in Go's caches,", folders[0], missing, way_out, many=False)])


def check(needs: Sequence[Need]) -> None:
    """Fail where needs that share a disk are more than is free there, less what stays free."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        disks.setdefault(_there(need.folder).stat().st_dev, []).append(need)
    for shared in disks.values():
        wanted, free = sum(need.size for need in shared) + SPARE, shutil.disk_usage(_there(shared[0].folder)).free
        if wanted > free:
            raise RehearsalError(_message(shared, wanted, free))


def _lab(lab: Lab, settings: Settings) -> Need:
    """What machines without a disk will put on theirs; those that are there have most of it already."""
    roles = {node.name: node.role for node in settings.cluster.nodes}
    new = [role for name, role in roles.items() if name not in lab.machines]
    size = sum(hardware.DISK[role] for role in new) + (0 if lab.mirror.exists() else MIRROR)
    what = f"{len(new)} machines" if len(new) > 1 else "a machine" if new else "K3s"
    ways = "end another lab (`./homelab rehearse down --stack NAME`), let XDG_STATE_HOME name a folder on a larger disk"
    return Need(what, states(), size, f"{ways}, or rehearse fewer nodes", many=len(new) > 1)


def _tools() -> Need:
    there = cache.root().exists() and any(cache.root().parent.glob("machine-image-*/etc"))
    way_out = "let XDG_CACHE_HOME name a folder on a larger disk"
    return Need("tools and the machines' system", cache.root(), 0 if there else TOOLS, way_out)


def _held(folders: Iterable[Path]) -> int:
    """Bytes in these folders."""
    present = [folder for folder in folders if folder.exists()]
    counted = run(["du", "--summarize", "--block-size=1", *present]).splitlines() if present else []
    return sum(int(line.split()[0]) for line in counted)


def _there(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _message(needs: Sequence[Need], wanted: int, free: int) -> str:
    what, ways = " and ".join(need.what for need in needs), "; or ".join(need.way_out for need in needs)
    verb = "needs" if len(needs) == 1 and not needs[0].many else "need"
    return (
        f"{what[0].upper()}{what[1:]} {verb} {_gib(wanted)} of disk in {needs[0].folder}, {_gib(SPARE)} of it to stay "
        f"free, and {_gib(free)} is free: make room there; or {ways}."
    )


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
