"""Postgres, PgBouncer and Barman for CloudNativePG, out of Debian's packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe
from rehearsal.debian import Tree
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.shell import run

MAJOR = "17"
"""What that release of Debian has; the operator reads it from the tag."""
PACKAGES = (f"postgresql-{MAJOR}", "pgbouncer", "barman-cli-cloud")
IMAGE = f"ghcr.io/cloudnative-pg/postgresql:{MAJOR}-minimal-{debian.RELEASE}"
PGBOUNCER = "ghcr.io/cloudnative-pg/pgbouncer:1.24"
POSTGRES_USER, PGBOUNCER_USER, PGBOUNCER_GROUP = 26, 998, 996
"""Whom the operator's pods run as."""
BARMAN = "barman.tar"
"""A root file system, without a program of its own."""
_INSTALLED, _SHARED = f"usr/lib/postgresql/{MAJOR}", f"usr/share/postgresql/{MAJOR}"
_TOOLS = (
    "bash", "cat", "cp", "date", "df", "du", "env", "grep", "head", "id", "ls", "mkdir", "mv", "rm", "sed", "sh",
    "sleep", "stat", "tail", "tar", "touch",
)  # fmt: skip
_PYTHON = ("usr/lib/python3", "usr/lib/python3.13")
_CLOUDS = "usr/lib/python3/dist-packages/botocore/data"
_AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
_ROOT = "root:x:0:0::/:/bin/sh"
_POSTGRES = f"postgres:x:{POSTGRES_USER}:{POSTGRES_USER}::/var/lib/postgresql:/bin/bash"


def recipe() -> Recipe:
    """A root file system of each."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        system = debian.unpack(PACKAGES, work)
        _prepare(system)
        for name, tree in _trees(system).items():
            debian.plant(tree, system, work / name)
            debian.pack(work / name, folder / f"{name}.tar")
        shutil.rmtree(work)

    made_of = (Path(__file__).read_bytes(), Path(debian.__file__).read_bytes())
    return Recipe("postgres", MAJOR, made_of, "from Debian's packages, a minute", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Postgres and PgBouncer, each as its own user."""
    path = {"PATH": f"/usr/lib/postgresql/{MAJOR}/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    return (
        Image(IMAGE, {}, ("postgres",), str(POSTGRES_USER), folder / "postgres.tar", path),
        Image(PGBOUNCER, {}, ("pgbouncer",), str(PGBOUNCER_USER), folder / "pgbouncer.tar"),
    )


def _prepare(system: Path) -> None:
    """Leave out Postgres' compiler, and of Barman's libraries all services but S3; compile the rest of them once."""
    compiler = [path for name in ("bitcode", "llvmjit*", "pgxs") for path in (system / _INSTALLED / "lib").glob(name)]
    others = [path for path in (system / _CLOUDS).iterdir() if path.is_dir() and path.name not in ("s3", "sts")]
    for path in (*compiler, *others):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    trusted = sorted((system / "usr/share/ca-certificates").rglob("*.crt"))
    (system / _AUTHORITIES).write_text("".join(path.read_text() for path in trusted))  # no S3 client begins without
    run(["chroot", system, "python3.13", "-m", "compileall", "-q", *(f"/{path}" for path in _PYTHON)])


def _trees(system: Path) -> dict[str, Tree]:
    """What is taken from an unpacked system: folders whole, and by name the files whose libraries are wanted too."""
    tools = [f"usr/bin/{name}" for name in _TOOLS]
    postgres = (_INSTALLED, _SHARED, "usr/share/zoneinfo", "usr/lib/locale/C.utf8")
    python = [*_found(system, "usr/bin/barman-cloud-*"), "usr/bin/python3", "usr/bin/sh"]
    return {
        "postgres": Tree(
            [*postgres, *_found(system, f"{_INSTALLED}/bin/*", f"{_INSTALLED}/lib/*.so"), *tools],
            (_ROOT, _POSTGRES),
            folders=("var/lib/postgresql",),
        ),
        "pgbouncer": Tree(
            ["usr/sbin/pgbouncer"],
            (_ROOT, f"pgbouncer:x:{PGBOUNCER_USER}:{PGBOUNCER_GROUP}::/:/bin/sh"),
            links={"usr/bin/pgbouncer": "../sbin/pgbouncer"},  # where the operator looks for it
        ),
        "barman": Tree(
            [_AUTHORITIES, *_PYTHON, *python, *_found(system, *(f"{path}/**/*.so" for path in _PYTHON))],
            (_ROOT, _POSTGRES),
        ),
    }


def _found(system: Path, *patterns: str) -> list[str]:
    return [str(path.relative_to(system)) for pattern in patterns for path in sorted(system.glob(pattern))]


PROGRAM = Program(("cloudnative-pg", "plugin-barman-cloud"), recipe, images)
