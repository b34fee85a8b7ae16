"""restic for backups of apps, from Debian's packages."""

from pathlib import Path

from rehearsal.cache import Recipe
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program, debian_image

VERSION = "0.18"
"""Version in this release of Debian."""
PACKAGES = ("ca-certificates", "restic")
IMAGE = f"docker.io/restic/restic:{VERSION}"
ROOT_FILESYSTEM = RootFilesystem(("usr/bin/restic", "usr/bin/cat", "usr/bin/sh"), ("root:x:0:0::/:/bin/sh",))


def recipe() -> Recipe:
    """Recipe that makes the root file system of the image."""
    return debian_image.recipe("restic", VERSION, PACKAGES, ROOT_FILESYSTEM, "half a minute")


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of restic."""
    return (Image(IMAGE, {}, ("/usr/bin/restic",), "", folder / "restic.tar"),)


PROGRAM = Program((), recipe, images)
