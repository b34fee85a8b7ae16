"""Valkey for apps, from Debian's packages."""

from pathlib import Path

from rehearsal.cache import Recipe
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program, debian_image

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
    return debian_image.recipe("valkey", VERSION, PACKAGES, ROOT_FILESYSTEM, "half a minute")


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of Valkey, which starts the server by default."""
    return (Image(IMAGE, {}, ("/usr/bin/valkey-server",), str(USER), folder / "valkey.tar"),)


PROGRAM = Program((), recipe, images)
