"""Parts of Debian for images: a few programs with all that they load, as small root file systems."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.archive import Packer
from rehearsal.cache import Recipe
from rehearsal.shell import RehearsalError, run

RELEASE = "trixie"
ARCHIVES = "var/cache/apt/archives"
KEYRINGS = tuple(Path("/usr/share/keyrings", f"debian-archive-keyring.{suffix}") for suffix in ("gpg", "pgp"))
"""Possible files of the package `debian-archive-keyring`, which contain the keys that sign Debian's releases."""
MERGED = ("bin", "lib", "lib64", "sbin")
"""Folders that are links into `usr` on a Debian system."""
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
class Tree:
    """A small root file system: paths below it, all without a slash first.

    `programs` are what is taken out of the packages, `folders` are empty ones, `files` and `links` are made here.
    `users` are lines of its passwd; each has a group of the same name and number.
    """

    programs: Sequence[str]
    users: Sequence[str]
    folders: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def programs(name: str, packages: Sequence[str], takes: str) -> Recipe:
    """Recipe of a root file system `system` with unpacked, unconfigured packages, whose programs `chroot` runs."""

    def make(folder: Path) -> None:
        system = unpack(packages, folder)
        shutil.rmtree(system / ARCHIVES)
        make_proc(system)

    return Recipe(name, RELEASE, (*packages, Path(__file__).read_bytes()), takes, make)


def make_proc(system: Path) -> None:
    """Make /proc a folder, because debootstrap makes it a link if it runs in a container."""
    if (system / "proc").is_symlink():
        (system / "proc").unlink()
        (system / "proc").mkdir()


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
    """Unpack Debian's smallest system and `packages` with what they depend on; nothing is configured or started."""
    system, log = folder / "system", folder / "debootstrap.log"
    command = debootstrap("--foreign", f"--include={','.join(packages)}", RELEASE, system)
    try:
        with log.open("w") as opened:
            run(command, log=opened)
    except RehearsalError as error:
        said = "\n".join(log.read_text().splitlines()[-5:])
        raise RehearsalError(f"Debian's packages could not be fetched, which are needed once:\n{said}") from error
    required = (system / "debootstrap/required").read_text().split()  # these it has unpacked
    for archive in sorted((system / ARCHIVES).glob("*.deb")):
        if archive.name.partition("_")[0] not in required:
            run(["chroot", system, "dpkg-deb", "--extract", f"/{ARCHIVES}/{archive.name}", "/"])
    return system


def plant(tree: Tree, system: Path, target: Path) -> None:
    """Make a tree in `target` out of an unpacked system, with the libraries that its programs load."""
    for name in MERGED:
        (target / "usr" / name).mkdir(parents=True)
        (target / name).symlink_to(f"usr/{name}")
    programs = [path for name in tree.programs for path in _with_aims(system, name)]
    for path in programs:
        _copy(system / path, target / path, links=True)
    for path in _libraries(system, programs):
        _copy(system / path, target / path, links=False)
    for path in (*tree.folders, "etc", "tmp"):
        (target / path).mkdir(parents=True, exist_ok=True)
    (target / "tmp").chmod(0o1777)
    groups = (line.split(":") for line in tree.users)
    accounts = {
        "etc/passwd": "".join(f"{line}\n" for line in tree.users),
        "etc/group": "".join(f"{name}:x:{number}:\n" for name, _, _, number, *_ in groups),
    }
    for path, text in {**accounts, **tree.files}.items():
        (target / path).write_text(text)
    for path, aim in tree.links.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).symlink_to(aim)


def pack(tree: Path, archive: Path) -> None:
    """Pack a folder as the root of an image."""
    with archive.open("wb") as output:
        packer = Packer(output)
        for path in sorted(tree.rglob("*")):
            name = str(path.relative_to(tree))
            if path.is_symlink():
                packer.link(name, str(path.readlink()))
            elif path.is_dir():
                packer.folder(name, path.stat().st_mode & 0o7777)
            else:
                packer.file(name, path, path.stat().st_mode & 0o7777)
        packer.close()


def chroot_command(tree: Path, folder: Path, target: str, *command: str, uid: int = 0) -> list[str]:
    """Return the command line that runs `command` in the root file system `tree`, with `folder` mounted at `target`.

    `uid` is the ID of the user, and of the group, that runs `command`.
    """
    enter = ["sh", "-euc", _ENTER_SCRIPT, "chroot", str(folder), str(tree), target, str(uid)]
    return ["unshare", "--mount", "--propagation=private", *enter, *command]


def _with_aims(system: Path, name: str) -> list[str]:
    """A path, and what it leads to if it is a link."""
    path = system / name
    if not path.is_symlink():
        return [name]
    aim = os.path.normpath(Path("/", name).parent / path.readlink())
    return [name, *_with_aims(system, aim.removeprefix("/"))]


def _libraries(system: Path, programs: Iterable[str]) -> set[str]:
    said = run(["chroot", system, "ldd", *(f"/{path}" for path in programs if _is_elf(system / path))])
    found = {path.removeprefix("/") for path in _LOADED.findall(said)}
    return {f"usr/{path}" if path.partition("/")[0] in MERGED else path for path in found}


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as opened:
        return opened.read(4) == b"\x7fELF"


def _copy(source: Path, target: Path, *, links: bool) -> None:
    """A folder whole; with `links` a link as a link, else what it leads to."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=not links)
