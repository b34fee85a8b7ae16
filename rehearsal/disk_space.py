"""Estimates a rehearsal's disk space, and rejects a rehearsal for which the host's disks have too little space."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rehearsal import cache, go, machine_specs
from rehearsal.lab import Lab
from rehearsal.paths import labs_folder
from rehearsal.shell import RehearsalError, run
from stacks.settings import LabStack

MIRROR_BYTES = 400 << 20
TOOLS_BYTES = 4 << 30
BUILD_BYTES = 23 << 30
"""Measured sizes in bytes: K3s files in the mirror; tools and machine image; Go's caches after all builds."""
RESERVED_BYTES = 1 << 30
"""Bytes that must stay free on the host's disk, because homelab requires free disk space on each machine."""


@dataclass(frozen=True)
class Need:
    """The disk space that `subject` needs in `folder`; `alternative` is advice for users who cannot delete files."""

    subject: str
    folder: Path
    size: int
    alternative: str
    plural: bool = True


def require_space(lab: Lab, settings: LabStack) -> None:
    """Fail if the host's disks have too little free space for the lab and the tools."""
    check([need for need in (_lab(lab, settings), _tools()) if need.size])


def require_build_space() -> None:
    """Fail if the disk of Go's caches has too little free space for a build of all programs."""
    go.release()
    folders = [Path(line) for line in run(["go", "env", "GOCACHE", "GOMODCACHE"]).splitlines()]
    missing = max(BUILD_BYTES - _used(folders), 0)
    alternative = "set GOCACHE and GOMODCACHE to folders on a larger disk"
    check([Need("Go's caches", folders[0], missing, alternative)])


def check(needs: Sequence[Need]) -> None:
    """Fail if a disk of the host has less free space than RESERVED_BYTES and all `needs` on the disk together."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        disks.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for shared in disks.values():
        required = sum(need.size for need in shared) + RESERVED_BYTES
        free = shutil.disk_usage(_existing(shared[0].folder)).free
        if required > free:
            raise RehearsalError(_message(shared, required, free))


def _lab(lab: Lab, settings: LabStack) -> Need:
    """Estimate the disk space that new machines need; existing machines already use most of the space they need."""
    roles = {node.name: node.role for node in settings.cluster.nodes}
    new_roles = [role for name, role in roles.items() if name not in lab.machines]
    size = sum(machine_specs.DISK_BYTES[role] for role in new_roles) + (0 if lab.mirror.exists() else MIRROR_BYTES)
    subject = f"{len(new_roles)} machines" if len(new_roles) > 1 else "a machine" if new_roles else "K3s"
    ways = (
        "delete another lab (`./homelab rehearse down --stack NAME`), set XDG_STATE_HOME to a folder on a larger disk"
    )
    return Need(subject, labs_folder(), size, f"{ways}, or rehearse fewer nodes", plural=len(new_roles) > 1)


def _tools() -> Need:
    present = cache.root().exists() and any(cache.root().parent.glob("machine-image-*/etc"))
    alternative = "set XDG_CACHE_HOME to a folder on a larger disk"
    return Need("tools and the machine image", cache.root(), 0 if present else TOOLS_BYTES, alternative)


def _used(folders: Iterable[Path]) -> int:
    """Return the total size of `folders` in bytes."""
    present = [folder for folder in folders if folder.exists()]
    sizes = run(["du", "--summarize", "--block-size=1", *present]).splitlines() if present else []
    return sum(int(line.split()[0]) for line in sizes)


def _existing(folder: Path) -> Path:
    """Return the folder if the folder exists; if not, return the nearest existing parent folder."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _message(needs: Sequence[Need], required: int, free: int) -> str:
    subject = " and ".join(need.subject for need in needs)
    alternatives = "; or ".join(need.alternative for need in needs)
    verb = "needs" if len(needs) == 1 and not needs[0].plural else "need"
    return (
        f"{subject[0].upper()}{subject[1:]} {verb} {_gib(required)} of disk space in {needs[0].folder}, including "
        f"{_gib(RESERVED_BYTES)} that must stay free, but {_gib(free)} is free: delete some files; or {alternatives}."
    )


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
