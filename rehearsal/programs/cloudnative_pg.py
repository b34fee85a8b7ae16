"""CloudNativePG's operator, from its Go module; its stand-in chart reads what else the release has."""

from pathlib import Path

from rehearsal import go
from rehearsal.artefacts import HOST
from rehearsal.cache import Recipe
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES, sources

MODULE = "github.com/cloudnative-pg/cloudnative-pg"
VERSION = "1.30.0"
IMAGE = f"ghcr.io/cloudnative-pg/cloudnative-pg:{VERSION}"
_BETWEEN = "\n---\n"
_CRD = "\nkind: CustomResourceDefinition\n"
_ANNOTATIONS = "\nmetadata:\n  annotations:\n"


def recipe() -> Recipe:
    """The program, and the manifests of its release for the chart."""
    source = SOURCES / "cloudnative-pg"

    def make(folder: Path) -> None:
        go.release()
        go.build(f"{MODULE}/cmd/manager", folder / "manager", folder=source, cgo=False)
        released = go.required(MODULE, source) / f"releases/cnpg-{VERSION}.yaml"
        for name, text in parts(released.read_text()).items():
            (folder / "chart" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "chart" / name).write_text(text)

    takes = "building from its Go module: 4 minutes on two cores"
    return Recipe("cloudnative-pg", VERSION, (*sources(source), Path(__file__).read_bytes()), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """The operator's image. It hands its program to the instances, by the name of their architecture."""
    program = folder / "manager"
    files = {"/manager": program, f"/operator/manager_{HOST}": program}
    return (Image(IMAGE, files, ("/manager",), "65532:65532"),)


def parts(released: str) -> dict[str, str]:
    """The manifests of a release as files of the chart: CRDs as a template, all else for the templates to read."""
    things = f"\n{released.removeprefix('---')}".split(_BETWEEN)
    kept = (each.replace(_ANNOTATIONS, f"{_ANNOTATIONS}    helm.sh/resource-policy: keep\n", 1) for each in things)
    crds = _BETWEEN.join(each for each in kept if _CRD in each)
    return {
        "templates/crds.yaml": f"{{{{- if .Values.crds.create }}}}\n{crds}\n{{{{- end }}}}\n",
        "manifests.yaml": _BETWEEN.join(each for each in things if _CRD not in each),
    }


PROGRAM = Program(("cloudnative-pg",), recipe, images, lambda folder: folder / "chart")
