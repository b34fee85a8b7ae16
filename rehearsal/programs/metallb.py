"""MetalLB's programs and Helm chart from its Go module."""

import shutil
import tarfile
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, code_of, obtain
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES
from rehearsal.shell import RehearsalError

MODULE = "go.universe.tf/metallb"
VERSION = "0.16.1"
SOURCE = SOURCES / "metallb"
DIGEST = "h1:iVtjCslcUFMOEvuNeAyW2ygZxyW+6YjnNcEuCTOZezc="
NAMES = ("controller", "speaker")
PARTS = ("api", "charts", "controller", "internal", "speaker")
CALL = ("internal/k8s/webhook.go", "NewWebhookHandler(mgr.GetScheme())")
CALLED = "NewWebhookHandler(mgr.GetScheme(), conversion.NewRegistry())"
"""The call in MetalLB's next version, which works with the newer controller-runtime that other programs use, too."""


def source() -> Recipe:
    """Recipe of a module with MetalLB's sources, at a fixed path, so that Go can reuse its build cache."""

    def make(folder: Path) -> None:
        go.release()
        upstream, copied = go.module(MODULE, f"v{VERSION}", DIGEST), folder / "metallb"
        for file in (file for part in PARTS for file in (upstream / part).rglob("*") if file.is_file()):
            target = copied / file.relative_to(upstream)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        shutil.copyfile(upstream / "go.mod", copied / "go.mod")
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(SOURCE / name, folder / name)
        name, call = CALL
        text = (copied / name).read_text()
        if call not in text:
            raise RehearsalError(f"{MODULE} {VERSION} does not contain {call} in {name}: adapt CALL in {__name__}.")
        (copied / name).write_text(text.replace(call, CALLED))

    return Recipe("metallb-source", VERSION, _ingredients(), "fetching its Go module", make)


def recipe() -> Recipe:
    """Recipe of the programs and the chart."""

    def make(folder: Path) -> None:
        origin = obtain(source(), print)
        for name in NAMES:
            go.build(f"{MODULE}/{name}", folder / name, folder=origin, cgo=False)
        copy_chart(origin / "metallb/charts/metallb", folder / "chart")

    return Recipe("metallb", VERSION, _ingredients(), "building from its Go module: 1 to 3 minutes on two cores", make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return one image for each program. The speaker needs the user root; the chart sets other users."""
    return tuple(Image.of(f"quay.io/metallb/{name}:v{VERSION}", folder / name) for name in NAMES)


def copy_chart(upstream: Path, folder: Path) -> None:
    """Copy the chart, and unpack its sub-chart. The copy is writable, although Go's module cache is read-only."""
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


def _ingredients() -> tuple[bytes, ...]:
    return (*(file.read_bytes() for file in sorted(SOURCE.glob("*.*"))), code_of(__file__))


PROGRAM = Program(("metallb",), recipe, images, lambda folder: folder / "chart")
