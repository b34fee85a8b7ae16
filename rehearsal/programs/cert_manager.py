"""cert-manager's programs and Helm chart from its Go module."""

import shutil
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, code_of
from rehearsal.images import NOBODY, Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES

MODULE = "github.com/cert-manager/cert-manager"
VERSION = "v1.21.1"
SOURCE = SOURCES / "cert-manager"
NAMES = ("controller", "webhook", "cainjector", "startupapicheck", "acmesolver")
CHART = ("Chart.yaml", "values.yaml", "values.schema.json", "templates")
"""Files and folders of the packaged chart; the source folder also contains files for the chart's developers."""


def recipe() -> Recipe:
    """Recipe of the programs, and of the chart with the version of the programs."""

    def make(folder: Path) -> None:
        go.release()
        for name in NAMES:
            variables = {f"{MODULE}/pkg/util.AppVersion": VERSION}
            go.build(f"./{name}", folder / name, folder=SOURCE, variables=variables, cgo=False)
        copy_chart(go.required(MODULE, SOURCE) / "deploy/charts/cert-manager", folder / "chart")

    sources = (file.read_bytes() for file in sorted(SOURCE.rglob("*.*")))
    takes = "building from its Go module: 5 minutes on two cores"
    return Recipe("cert-manager", VERSION, (*sources, code_of(__file__)), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return one image for each program. The chart sets only arguments, not commands."""
    return tuple(Image.of(f"quay.io/jetstack/cert-manager-{name}:{VERSION}", folder / name, NOBODY) for name in NAMES)


def copy_chart(upstream: Path, folder: Path) -> None:
    """Copy the chart and set its version. The copy is writable, although Go's module cache is read-only."""
    for file in upstream.rglob("*"):
        path = file.relative_to(upstream)
        if file.is_file() and path.parts[0] in CHART:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)
    metadata = folder / "Chart.yaml"
    metadata.write_text(metadata.read_text().replace("v0.0.0", VERSION))


PROGRAM = Program(("cert-manager",), recipe, images, lambda folder: folder / "chart")
