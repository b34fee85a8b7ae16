"""CloudNativePG's operator, from its Go module; its stand-in chart reads what else the release has."""

from pathlib import Path

from rehearsal import go
from rehearsal.artefacts import HOST
from rehearsal.cache import Recipe
from rehearsal.charts import released
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES, sources

MODULE = "github.com/cloudnative-pg/cloudnative-pg"
VERSION = "1.30.0"
IMAGE = f"ghcr.io/cloudnative-pg/cloudnative-pg:{VERSION}"


def recipe() -> Recipe:
    """The program, and the manifests of its release for the chart."""
    source = SOURCES / "cloudnative-pg"

    def make(folder: Path) -> None:
        go.release()
        go.build(f"{MODULE}/cmd/manager", folder / "manager", folder=source, cgo=False)
        manifests = go.required(MODULE, source) / f"releases/cnpg-{VERSION}.yaml"
        released.put(manifests.read_text(), folder / "chart")

    takes = "building from its Go module: 4 minutes on two cores"
    return Recipe("cloudnative-pg", VERSION, (*sources(source), Path(__file__).read_bytes()), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """The operator's image. It hands its program to the instances, by the name of their architecture."""
    program = folder / "manager"
    files = {"/manager": program, f"/operator/manager_{HOST}": program}
    return (Image(IMAGE, files, ("/manager",), "65532:65532"),)


PROGRAM = Program(("cloudnative-pg",), recipe, images, lambda folder: folder / "chart")
