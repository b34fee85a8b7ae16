"""Images of programs from Debian's packages."""

import shutil
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, code_of
from rehearsal.debian import RootFilesystem


def recipe(name: str, version: str, packages: tuple[str, ...], filesystem: RootFilesystem, takes: str) -> Recipe:
    """Return the recipe that makes the root file system of an image: the file NAME.tar."""

    def make(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        debian.assemble(filesystem, debian.unpack(packages, work), work / name)
        debian.pack(work / name, folder / f"{name}.tar")
        shutil.rmtree(work)

    ingredients: tuple[str | bytes, ...] = (*packages, repr(filesystem), code_of(debian.__file__))
    return Recipe(name, version, ingredients, f"from Debian's packages, {takes}", make)
