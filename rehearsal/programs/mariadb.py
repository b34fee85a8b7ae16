"""MariaDB for apps, from Debian's packages."""

from pathlib import Path

from rehearsal.cache import Recipe
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program, debian_image

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
    return debian_image.recipe("mariadb", VERSION, PACKAGES, ROOT_FILESYSTEM, "a minute")


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image of MariaDB, which starts the server by default."""
    return (Image(IMAGE, {}, ("/usr/sbin/mariadbd",), str(USER), folder / "mariadb.tar"),)


PROGRAM = Program((), recipe, images)
