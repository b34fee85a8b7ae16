"""Postgres, PgBouncer and Barman for CloudNativePG, out of packages of Debian: one file system for all of them."""

import shutil
from pathlib import Path

from rehearsal.cache import Recipe
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.shell import RehearsalError, run

RELEASE = "trixie"
MAJOR = "17"
"""What that release of Debian has; the operator reads it from the tag."""
ROOT = "root.tar"
PACKAGES = f"postgresql-{MAJOR},pgbouncer,barman-cli-cloud"
IMAGE = f"ghcr.io/cloudnative-pg/postgresql:{MAJOR}-minimal-{RELEASE}"
PGBOUNCER = "ghcr.io/cloudnative-pg/pgbouncer:1.24"
POSTGRES_USER, PGBOUNCER_USER = 26, 998
"""The users that the operator's pods run as, and own their volumes."""
UNUSED = (
    "boot", "dev/*", "home", "media", "mnt", "opt", "srv",
    "var/cache/*", "var/lib/apt", "var/lib/dpkg/info", "var/lib/postgresql/*", "var/log/*", "usr/include",
    "usr/share/doc", "usr/share/i18n", "usr/share/info", "usr/share/locale", "usr/share/man", "usr/share/perl*",
    "usr/lib/apt", "usr/lib/*/gconv", "usr/lib/*/libLLVM*", "usr/lib/*/libperl*", "usr/lib/*/libz3*", "usr/lib/*/perl*",
    "usr/lib/postgresql/*/lib/bitcode", "usr/lib/postgresql/*/lib/llvmjit*",
    "usr/lib/python3/dist-packages/botocore/data/[!_s]*/", "usr/lib/python3/dist-packages/botocore/data/s[!3t]*/",
)  # fmt: skip
"""Of the file system; no program of the images needs it."""


LINKS = {"usr/bin/pgbouncer": "../sbin/pgbouncer"}
"""Where the operator looks for programs, and where Debian has them."""


def recipe() -> Recipe:
    """A root file system with all of them, as a tar."""

    def make(folder: Path) -> None:
        root = folder / "root"
        log = folder.with_name("postgres.log")
        try:
            with log.open("w") as output:
                run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, root], log=output)
        except RehearsalError as error:
            why = f"Debian could not be fetched for Postgres ({error}): its mirror is needed once."
            raise RehearsalError(why) from error
        _strip(root)
        _users(root)
        for place, program in LINKS.items():
            (root / place).symlink_to(program)
        same = ("--sort=name", "--mtime=@0", "--numeric-owner")
        run(["tar", "--create", *same, "--file", folder / ROOT, "--directory", root, "."])
        shutil.rmtree(root)

    takes = "fetching it from Debian: 2 minutes"
    made_of = (RELEASE, PACKAGES, *UNUSED, *LINKS, f"{POSTGRES_USER} {PGBOUNCER_USER}")
    return Recipe("postgres", MAJOR, made_of, takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Postgres and PgBouncer, each as its own user."""
    root = folder / ROOT
    path = {"PATH": f"/usr/lib/postgresql/{MAJOR}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    return (
        Image(IMAGE, {}, ("postgres",), str(POSTGRES_USER), root, path),
        Image(PGBOUNCER, {}, ("pgbouncer",), str(PGBOUNCER_USER), root, path),
    )


def _strip(root: Path) -> None:
    for pattern in UNUSED:
        for each in root.glob(pattern):
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _users(root: Path) -> None:
    """Give the users their numbers, whichever Debian gave them."""
    numbers = {"postgres": POSTGRES_USER, "pgbouncer": PGBOUNCER_USER}
    passwd = root / "etc/passwd"
    others = [line for line in passwd.read_text().splitlines() if line.partition(":")[0] not in numbers]
    own = [f"{name}:x:{number}:{number}::/var/lib/postgresql:/bin/sh" for name, number in numbers.items()]
    passwd.write_text("".join(f"{line}\n" for line in (*others, *own)))


PROGRAM = Program(("cloudnative-pg", "plugin-barman-cloud"), recipe, images)
