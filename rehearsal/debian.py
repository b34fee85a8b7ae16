"""Builds small root file systems for images from Debian packages: a few programs with the libraries they load."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.archive import Packer
from rehearsal.shell import RehearsalError, run

RELEASE = "trixie"
ARCHIVES = "var/cache/apt/archives"
KEYRINGS = tuple(Path("/usr/share/keyrings", f"debian-archive-keyring.{suffix}") for suffix in ("gpg", "pgp"))
"""Possible files of the package `debian-archive-keyring`, which contain the keys that sign Debian's releases."""
MERGED = ("bin", "lib", "lib64", "sbin")
"""Folders that are symbolic links into `usr` on a Debian system."""
# `unshare` gives the script a new mount namespace, so the mounts disappear when the program ends
_ENTER_SCRIPT = """
mount --bind "$1" "$2$3"
mount --rbind /dev "$2/dev"
cd "$2"
user="+$4:+$4"
shift 4
exec chroot --userspec="$user" . "$@"
"""
_LOADED = re.compile(r"^\s(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)


@dataclass(frozen=True)
class RootFilesystem:
    """Content of a small root file system; all paths are relative to its root.

    `programs` are files and folders from Debian's packages, and `folders` are new empty folders. `files` contains the
    text of new files, and `links` the target of new symbolic links. `users` are lines of /etc/passwd; each user has a
    group with the user's name and number.
    """

    programs: Sequence[str]
    users: Sequence[str]
    folders: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def debootstrap(*options: str | Path) -> list[str | Path]:
    """Return a command line of debootstrap that rejects packages without a valid signature of Debian.

    Raises RehearsalError if Debian's keyring is missing.
    """
    keyring = next((file for file in KEYRINGS if file.is_file()), None)
    if keyring is None:
        raise RehearsalError(
            f"The signatures of Debian's packages cannot be verified, because {KEYRINGS[0]} is missing: "
            "install the package debian-archive-keyring."
        )
    return ["debootstrap", "--variant=minbase", "--force-check-gpg", f"--keyring={keyring}", *options]


def unpack(packages: Iterable[str], folder: Path) -> Path:
    """Unpack a minimal Debian system and `packages` with their dependencies, without configuring them.

    Returns the folder of the unpacked system.
    """
    system, log = folder / "system", folder / "debootstrap.log"
    command = debootstrap("--foreign", f"--include={','.join(packages)}", RELEASE, system)
    try:
        with log.open("w") as opened:
            run(command, log=opened)
    except RehearsalError as error:
        last_lines = "\n".join(log.read_text().splitlines()[-5:])
        raise RehearsalError(f"Debian's packages could not be downloaded:\n{last_lines}") from error
    required = (system / "debootstrap/required").read_text().split()  # debootstrap has already unpacked these packages
    for archive in sorted((system / ARCHIVES).glob("*.deb")):
        if archive.name.partition("_")[0] not in required:
            run(["chroot", system, "dpkg-deb", "--extract", f"/{ARCHIVES}/{archive.name}", "/"])
    return system


def assemble(rootfs: RootFilesystem, system: Path, target: Path) -> None:
    """Create a root file system in `target` from the unpacked `system`, with the libraries that its programs load."""
    for name in MERGED:
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    programs = [path for name in rootfs.programs for path in _with_link_targets(system, name)]
    for path in programs:
        _copy(system / path, target / path, links=True)
    for path in _libraries(system, programs):
        _copy(system / path, target / path, links=False)
    for path in (*rootfs.folders, "etc", "tmp"):
        (target / path).mkdir(parents=True, exist_ok=True)
    (target / "tmp").chmod(0o1777)
    groups = (line.split(":") for line in rootfs.users)
    accounts = {
        "etc/passwd": "".join(f"{line}\n" for line in rootfs.users),
        "etc/group": "".join(f"{name}:x:{number}:\n" for name, _, _, number, *_ in groups),
    }
    for path, text in {**accounts, **rootfs.files}.items():
        (target / path).write_text(text)
    for path, destination in rootfs.links.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).symlink_to(destination)


def pack(root: Path, archive: Path) -> None:
    """Write the folder `root` to a tar archive, which is the root file system of an image."""
    with archive.open("wb") as output:
        packer = Packer(output)
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if path.is_symlink():
                packer.link(name, str(path.readlink()))
            elif path.is_dir():
                packer.folder(name, path.stat().st_mode & 0o7777)
            else:
                packer.file(name, path, path.stat().st_mode & 0o7777)
        packer.close()


def chroot_command(root: Path, folder: Path, target: str, *command: str, uid: int = 0) -> list[str]:
    """Return the command line that runs `command` in the root file system `root`, with `folder` mounted at `target`.

    `uid` is the ID of the user, and of the group, that runs `command`.
    """
    enter = ["sh", "-euc", _ENTER_SCRIPT, "chroot", str(folder), str(root), target, str(uid)]
    return ["unshare", "--mount", "--propagation=private", *enter, *command]


def _with_link_targets(system: Path, name: str) -> list[str]:
    """Return a path, and if the path is a symbolic link, all paths to which the link leads."""
    path = system / name
    if not path.is_symlink():
        return [name]
    destination = os.path.normpath(Path("/", name).parent / path.readlink())
    return [name, *_with_link_targets(system, destination.removeprefix("/"))]


def _libraries(system: Path, programs: Iterable[str]) -> set[str]:
    """Return the paths of the shared libraries that `programs` load."""
    printed = run(["chroot", system, "ldd", *(f"/{path}" for path in programs if _is_elf(system / path))])
    paths = {path.removeprefix("/") for path in _LOADED.findall(printed)}
    return {f"usr/{path}" if path.partition("/")[0] in MERGED else path for path in paths}


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def _copy(source: Path, target: Path, *, links: bool) -> None:
    """Copy a file or a whole folder; `links` copies a symbolic link as a link, not the file to which it leads."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=not links)
