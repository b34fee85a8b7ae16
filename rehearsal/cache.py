"""The rehearsal's cache of downloads and builds: each result has a folder, whose name contains a hash of the inputs."""

import ast
import fcntl
import hashlib
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from rehearsal.shell import RehearsalError

Report = Callable[[str], None]

TIMEOUT = 3600.0  # seconds to wait for another run that builds the same recipe
RETRY_INTERVAL = 0.2  # seconds between two attempts to take a lock


@dataclass(frozen=True)
class Recipe:
    """A recipe for a cached download or build: `make` fills an empty folder, and `takes` is a progress message.

    `ingredients` contains all inputs of `make`. They are part of the cache key, so a changed input causes a new
    download or build. If the code of `make` is an input, `ingredients` contains `code_of()` its file.
    """

    name: str
    version: str
    ingredients: tuple[str | bytes, ...]
    takes: str
    make: Callable[[Path], None]

    @property
    def folder(self) -> Path:
        """The cache folder of the recipe's result; its name contains a hash of `ingredients` and of the CPU
        architecture."""
        digest = hashlib.sha256(f"{platform.machine()}\0{self.name}\0{self.version}".encode())
        for ingredient in self.ingredients:
            content = ingredient.encode() if isinstance(ingredient, str) else ingredient
            digest.update(hashlib.sha256(content).digest())
        return root() / f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"


@cache
def code_of(file: str) -> bytes:
    """Return a Python file's code without comments and docstrings, so that a reworded text causes no new build."""
    module = ast.parse(Path(file).read_text())
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            code = (statement for statement in node.body if not _is_docstring(statement))
            node.body = list(code) or [ast.Pass()]
    return ast.unparse(module).encode()


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def write_atomically(file: Path, content: str | bytes) -> None:
    """Write a file atomically: concurrent readers get either the old or the new content."""
    part = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_ident()}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(file)


def root() -> Path:
    """Return the folder of the rehearsal's cache, which users may delete while no rehearsal runs."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "homelab" / "tools"


def obtain(recipe: Recipe, report: Report) -> Path:
    """Return the cache folder with the result of a recipe; run the recipe if the cache has no result.

    A lock file prevents two processes from running the same download or build at the same time.
    """
    folder = recipe.folder
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _only_maker(folder, report):
        if not folder.is_dir():
            report(f"{recipe.name} {recipe.version}: {recipe.takes}; later runs use the result")
            _make(recipe, folder)
    return folder


def _make(recipe: Recipe, folder: Path) -> None:
    """Fill a temporary folder and then rename the folder, so that the cache never has an incomplete result."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        recipe.make(part)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


@contextmanager
def _only_maker(folder: Path, report: Report) -> Iterator[None]:
    with folder.with_name(f".{folder.name}.lock").open("w") as lock:
        if not take_lock(lock):
            report(f"another rehearsal is building {folder.name}: waiting for the end of the build")
            _wait(lock, folder)
        yield


def _wait(lock: IO[str], folder: Path) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not take_lock(lock):
        if time.monotonic() > deadline:
            raise RehearsalError(
                f"Another rehearsal has been building {folder.name} for {TIMEOUT / 60:.0f} minutes: "
                f"end its process, which `fuser {lock.name}` finds, then start again."
            )
        time.sleep(RETRY_INTERVAL)


def take_lock(lock: IO[str]) -> bool:
    """Lock a file exclusively until it is closed; return False if another process holds a lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
