"""CloudNativePG's plugin for backups, and the sidecar that does them, from its Go module over Debian's Barman."""

from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe
from rehearsal.charts import released
from rehearsal.images import Image
from rehearsal.programs import Program, postgres
from rehearsal.recipes import SOURCES, sources

MODULE = "github.com/cloudnative-pg/plugin-barman-cloud"
VERSION = "0.13.0"
PLUGIN = f"ghcr.io/cloudnative-pg/plugin-barman-cloud:v{VERSION}"
SIDECAR = f"ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v{VERSION}"


def recipe() -> Recipe:
    """The program, which is plugin and sidecar, and the manifests of its release for the chart."""
    source = SOURCES / "cloudnative-pg"  # one module with the operator, whose packages it shares

    def make(folder: Path) -> None:
        go.release()
        go.build(f"{MODULE}/cmd/manager", folder / "manager", folder=source, cgo=False)
        released.put((go.required(MODULE, source) / "manifest.yaml").read_text(), folder / "chart")

    takes = "building from its Go module: 1 minute on two cores"
    made_of: tuple[str | bytes, ...] = (*sources(source), postgres.recipe().folder.name, Path(__file__).read_bytes())
    return Recipe("plugin-barman-cloud", VERSION, made_of, takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """The plugin's image, and the sidecar's, which has Barman beside the same program."""
    program = {"/manager": folder / "manager"}
    sidecar = Image(
        SIDECAR, program, ("/manager",), str(postgres.POSTGRES_USER), postgres.recipe().folder / postgres.BARMAN
    )
    return (Image(PLUGIN, program, ("/manager",), "65532:65532"), sidecar)


PROGRAM = Program(("plugin-barman-cloud",), recipe, images, lambda folder: folder / "chart")
