"""MetalLB from its Go module, with its own chart. The router beside its speakers, FRR, is not in it."""

import shutil
import tarfile
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES

MODULE = "go.universe.tf/metallb"
VERSION = "0.16.1"
SOURCE = SOURCES / "metallb"
NAMES = ("controller", "speaker")


def recipe() -> Recipe:
    """The programs, and the chart."""

    def make(folder: Path) -> None:
        go.release()
        for name in NAMES:
            go.build(f"{MODULE}/{name}", folder / name, folder=SOURCE, cgo=False)
        copy_chart(go.required(MODULE, SOURCE) / "charts/metallb", folder / "chart")

    sources = (file.read_bytes() for file in sorted(SOURCE.glob("*.*")))
    takes = "building from its Go module: 2 minutes on two cores"
    return Recipe("metallb", VERSION, (*sources, Path(__file__).read_bytes()), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """An image of each program; as root, since the speaker needs it, and the chart says where not."""
    return tuple(Image.of(f"quay.io/metallb/{name}:v{VERSION}", folder / name) for name in NAMES)


def copy_chart(upstream: Path, folder: Path) -> None:
    """Copy the chart, without the rights of the module cache, which is read-only; its packed sub-chart is unpacked."""
    for file in upstream.rglob("*"):
        target = folder / file.relative_to(upstream)
        if file.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".tgz":
            with tarfile.open(file) as archive:
                archive.extractall(target.parent, filter="data")
        else:
            shutil.copyfile(file, target)


PROGRAM = Program(("metallb",), recipe, images, lambda folder: folder / "chart")
