"""cert-manager from its Go module, with its own chart."""

import shutil
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe
from rehearsal.images import NOBODY, Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES

MODULE = "github.com/cert-manager/cert-manager"
VERSION = "v1.21.1"
SOURCE = SOURCES / "cert-manager"
NAMES = ("controller", "webhook", "cainjector", "startupapicheck", "acmesolver")
CHART = ("Chart.yaml", "values.yaml", "values.schema.json", "templates")
"""What is packed of the chart's folder; the rest is its authors' own."""


def recipe() -> Recipe:
    """The programs, and the chart with the version filled in."""

    def make(folder: Path) -> None:
        go.release()
        for name in NAMES:
            variables = {f"{MODULE}/pkg/util.AppVersion": VERSION}
            go.build(f"./{name}", folder / name, folder=SOURCE, variables=variables, cgo=False)
        copy_chart(go.required(MODULE, SOURCE) / "deploy/charts/cert-manager", folder / "chart")

    sources = (file.read_bytes() for file in sorted(SOURCE.rglob("*.*")))
    takes = "building from its Go module: 5 minutes on two cores"
    return Recipe("cert-manager", VERSION, (*sources, Path(__file__).read_bytes()), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """An image of each program; the chart gives arguments only."""
    return tuple(Image.of(f"quay.io/jetstack/cert-manager-{name}:{VERSION}", folder / name, NOBODY) for name in NAMES)


def copy_chart(upstream: Path, folder: Path) -> None:
    """Copy the chart, without the rights of the module cache, which is read-only."""
    for file in upstream.rglob("*"):
        place = file.relative_to(upstream)
        if file.is_file() and place.parts[0] in CHART:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / place)
    metadata = folder / "Chart.yaml"
    metadata.write_text(metadata.read_text().replace("v0.0.0", VERSION))


PROGRAM = Program(("cert-manager",), recipe, images, lambda folder: folder / "chart")
