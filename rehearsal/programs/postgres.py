"""Postgres, PgBouncer and Barman for CloudNativePG, from Debian packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.shell import run

MAJOR = "17"
"""Major version in this Debian release; CloudNativePG reads the major version from the image tag."""
PACKAGES = (f"postgresql-{MAJOR}", "pgbouncer", "barman-cli-cloud")
IMAGE = f"ghcr.io/cloudnative-pg/postgresql:{MAJOR}-minimal-{debian.RELEASE}"
PGBOUNCER = "ghcr.io/cloudnative-pg/pgbouncer:1.24"
POSTGRES_USER, PGBOUNCER_USER, PGBOUNCER_GROUP = 26, 998, 996
"""User and group IDs of the operator's pods."""
BARMAN = "barman.tar"
"""Archive of the root file system for the sidecar of the Barman Cloud plugin."""
_INSTALLED, _SHARED = f"usr/lib/postgresql/{MAJOR}", f"usr/share/postgresql/{MAJOR}"
_TOOLS = (
    "bash", "cat", "cp", "date", "df", "du", "env", "grep", "head", "id", "ls", "mkdir", "mv", "rm", "sed", "sh",
    "sleep", "stat", "tail", "tar", "touch",
)  # fmt: skip
_PYTHON = ("usr/lib/python3", "usr/lib/python3.13")
_AWS_SERVICES = "usr/lib/python3/dist-packages/botocore/data"
_CA_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_ROOT = "root:x:0:0::/:/bin/sh"
_POSTGRES = f"postgres:x:{POSTGRES_USER}:{POSTGRES_USER}::/var/lib/postgresql:/bin/bash"


def recipe() -> Recipe:
    """Recipe of the three root file systems."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        system = debian.unpack(PACKAGES, work)
        _prepare(system)
        for name, rootfs in _root_filesystems(system).items():
            debian.assemble(rootfs, system, work / name)
            debian.pack(work / name, folder / f"{name}.tar")
        shutil.rmtree(work)

    ingredients = (code_of(__file__), code_of(debian.__file__))
    return Recipe("postgres", MAJOR, ingredients, "from Debian's packages, a minute", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the images of Postgres and PgBouncer, each with its own user."""
    path = {"PATH": f"/usr/lib/postgresql/{MAJOR}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return (
        Image(IMAGE, {}, ("postgres",), str(POSTGRES_USER), folder / "postgres.tar", path),
        Image(PGBOUNCER, {}, ("pgbouncer",), str(PGBOUNCER_USER), folder / "pgbouncer.tar"),
    )


def _prepare(system: Path) -> None:
    """Remove Postgres' JIT compiler, and all AWS services except S3 from Barman's libraries; compile Python's code."""
    compiler = [path for name in ("bitcode", "llvmjit*", "pgxs") for path in (system / _INSTALLED / "lib").glob(name)]
    services = [path for path in (system / _AWS_SERVICES).iterdir() if path.is_dir() and path.name not in ("s3", "sts")]
    for path in (*compiler, *services):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    trusted = sorted((system / "usr/share/ca-certificates").rglob("*.crt"))
    (system / _CA_CERTIFICATES).write_text("".join(path.read_text() for path in trusted))  # S3 clients need this file
    run(["chroot", system, "python3.13", "-m", "compileall", "-q", *(f"/{path}" for path in _PYTHON)])


def _root_filesystems(system: Path) -> dict[str, RootFilesystem]:
    """Describe the root file systems: whole folders, and single files whose libraries are needed as well."""
    tools = [f"usr/bin/{name}" for name in _TOOLS]
    postgres = (_INSTALLED, _SHARED, "usr/share/zoneinfo", "usr/lib/locale/C.utf8")
    python = [*_paths(system, "usr/bin/barman-cloud-*"), "usr/bin/python3", "usr/bin/sh"]
    return {
        "postgres": RootFilesystem(
            [*postgres, *_paths(system, f"{_INSTALLED}/bin/*", f"{_INSTALLED}/lib/*.so"), *tools],
            (_ROOT, _POSTGRES),
            folders=("var/lib/postgresql",),
        ),
        "pgbouncer": RootFilesystem(
            ["usr/sbin/pgbouncer"],
            (_ROOT, f"pgbouncer:x:{PGBOUNCER_USER}:{PGBOUNCER_GROUP}::/:/bin/sh"),
            links={"usr/bin/pgbouncer": "../sbin/pgbouncer"},  # where the operator looks for it
        ),
        "barman": RootFilesystem(
            [_CA_CERTIFICATES, *_PYTHON, *python, *_paths(system, *(f"{path}/**/*.so" for path in _PYTHON))],
            (_ROOT, _POSTGRES),
        ),
    }


def _paths(system: Path, *patterns: str) -> list[str]:
    """Return the paths in the unpacked system that match glob patterns."""
    return [str(path.relative_to(system)) for pattern in patterns for path in sorted(system.glob(pattern))]


PROGRAM = Program(("cloudnative-pg", "plugin-barman-cloud"), recipe, images)
