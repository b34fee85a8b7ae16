"""Valkey for apps, from Debian's packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program

VERSION = "8.1"
"""Version of Valkey in this release of Debian."""
PACKAGES = ("valkey-server", "valkey-tools")
IMAGE = f"docker.io/valkey/valkey:{VERSION}"
USER = 999
ROOT_FILESYSTEM = RootFilesystem(
    ("usr/bin/valkey-server", "usr/bin/valkey-cli"),
    ("root:x:0:0::/:/bin/sh", f"valkey:x:{USER}:{USER}::/:/bin/sh"),
    folders=("data",),
)


def recipe() -> Recipe:
    """Recipe that makes the root file system of the image."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(ROOT_FILESYSTEM, debian.unpack(PACKAGES, work), work / "valkey")
        debian.pack(work / "valkey", folder / "valkey.tar")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(ROOT_FILESYSTEM), code_of(debian.__file__))
    return Recipe("valkey", VERSION, ingredients, "from Debian's packages, half a minute", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of Valkey, which starts the server by default."""
    return (Image(IMAGE, {}, ("/usr/bin/valkey-server",), str(USER), folder / "valkey.tar"),)


PROGRAM = Program((), recipe, images)
