"""restic for backups of apps, from Debian's packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program

VERSION = "0.18"
"""Version in this release of Debian."""
PACKAGES = ("ca-certificates", "restic")
IMAGE = f"docker.io/restic/restic:{VERSION}"
ROOT_FILESYSTEM = RootFilesystem(("usr/bin/restic", "usr/bin/cat", "usr/bin/sh"), ("root:x:0:0::/:/bin/sh",))


def recipe() -> Recipe:
    """Recipe that makes the root file system of the image."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(ROOT_FILESYSTEM, debian.unpack(PACKAGES, work), work / "restic")
        debian.pack(work / "restic", folder / "restic.tar")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(ROOT_FILESYSTEM), code_of(debian.__file__))
    return Recipe("restic", VERSION, ingredients, "from Debian's packages, half a minute", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of restic."""
    return (Image(IMAGE, {}, ("/usr/bin/restic",), "", folder / "restic.tar"),)


PROGRAM = Program((), recipe, images)
