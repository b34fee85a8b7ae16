"""MariaDB for apps, from Debian's packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program

VERSION = "11.8"
"""Version in this release of Debian."""
PACKAGES = ("mariadb-client", "mariadb-server")
IMAGE = f"docker.io/library/mariadb:{VERSION}"
USER = 999
TOOLS = (
    "basename", "cat", "chmod", "chown", "dirname", "getopt", "grep", "hostname", "id", "ls", "mkdir", "mktemp", "mv",
    "rm", "sed", "sh", "sleep", "sync", "touch", "tr", "uname",
)  # fmt: skip
PROGRAMS = (
    "usr/bin/mariadb", "usr/bin/mariadb-admin", "usr/bin/mariadb-check", "usr/bin/mariadb-dump",
    "usr/bin/mariadb-install-db", "usr/bin/mariadb-upgrade", "usr/bin/my_print_defaults", "usr/bin/resolveip",
    "usr/sbin/mariadbd", "usr/share/mariadb",
)  # fmt: skip
ROOT_FILESYSTEM = RootFilesystem(
    (*PROGRAMS, *(f"usr/bin/{name}" for name in TOOLS)),
    ("root:x:0:0::/:/bin/sh", f"mysql:x:{USER}:{USER}::/:/bin/sh"),
    folders=("run/mysqld", "var/lib/mysql"),
)


def recipe() -> Recipe:
    """Recipe that makes the root file system of the image."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(ROOT_FILESYSTEM, debian.unpack(PACKAGES, work), work / "mariadb")
        debian.pack(work / "mariadb", folder / "mariadb.tar")
        shutil.rmtree(work)

    ingredients = (*PACKAGES, repr(ROOT_FILESYSTEM), code_of(debian.__file__))
    return Recipe("mariadb", VERSION, ingredients, "from Debian's packages, a minute", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of MariaDB, which starts the server by default."""
    return (Image(IMAGE, {}, ("/usr/sbin/mariadbd",), str(USER), folder / "mariadb.tar"),)


PROGRAM = Program((), recipe, images)
