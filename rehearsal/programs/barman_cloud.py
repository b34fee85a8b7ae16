"""CloudNativePG's Barman Cloud plugin and its sidecar: the program from its Go module, Barman from Debian packages."""

from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, code_of
from rehearsal.charts import released
from rehearsal.images import Image
from rehearsal.programs import Program, postgres
from rehearsal.recipes import SOURCES, sources

MODULE = "github.com/cloudnative-pg/plugin-barman-cloud"
VERSION = "0.13.0"
PLUGIN = f"ghcr.io/cloudnative-pg/plugin-barman-cloud:v{VERSION}"
SIDECAR = f"ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v{VERSION}"


def recipe() -> Recipe:
    """Recipe of the program of plugin and sidecar, and of the chart files with its release's manifests."""
    source = SOURCES / "cloudnative-pg"  # the same Go module as the operator's, so that both share compiled packages

    def make(folder: Path) -> None:
        go.release()
        go.build(f"{MODULE}/cmd/manager", folder / "manager", folder=source, cgo=False)
        released.put((go.required(MODULE, source) / "manifest.yaml").read_text(), folder / "chart")

    takes = "building from its Go module: 1 minute on two cores"
    ingredients: tuple[str | bytes, ...] = (*sources(source), postgres.recipe().folder.name, code_of(__file__))
    return Recipe("plugin-barman-cloud", VERSION, ingredients, takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the images of plugin and sidecar. Both contain the program; the sidecar also contains Barman."""
    program = {"/manager": folder / "manager"}
    sidecar = Image(
        SIDECAR, program, ("/manager",), str(postgres.POSTGRES_USER), postgres.recipe().folder / postgres.BARMAN
    )
    return (Image(PLUGIN, program, ("/manager",), "65532:65532"), sidecar)


PROGRAM = Program(("plugin-barman-cloud",), recipe, images, lambda folder: folder / "chart")
