"""CloudNativePG's operator and the manifests of its release, for its stand-in chart, from its Go module."""

from pathlib import Path

from rehearsal import go
from rehearsal.artefacts import HOST
from rehearsal.cache import Recipe, code_of
from rehearsal.charts import released
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES, sources

MODULE = "github.com/cloudnative-pg/cloudnative-pg"
VERSION = "1.30.0"
IMAGE = f"ghcr.io/cloudnative-pg/cloudnative-pg:{VERSION}"


def recipe() -> Recipe:
    """Recipe of the program, and of the chart files with its release's manifests."""
    source = SOURCES / "cloudnative-pg"

    def make(folder: Path) -> None:
        go.release()
        go.build(f"{MODULE}/cmd/manager", folder / "manager", folder=source, cgo=False)
        manifests = go.required(MODULE, source) / f"releases/cnpg-{VERSION}.yaml"
        released.put(manifests.read_text(), folder / "chart")

    takes = "building CloudNativePG from its Go module, which takes about 4 minutes on two cores"
    return Recipe("cloudnative-pg", VERSION, (*sources(source), code_of(__file__)), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the operator's image. The operator copies `manager_ARCHITECTURE` into the pods of Postgres."""
    program = folder / "manager"
    files = {"/manager": program, f"/operator/manager_{HOST}": program}
    return (Image(IMAGE, files, ("/manager",), "65532:65532"),)


PROGRAM = Program(("cloudnative-pg",), recipe, images, lambda folder: folder / "chart")
