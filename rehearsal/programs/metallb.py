"""MetalLB from its Go module, with its own chart."""

import shutil
import tarfile
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, obtain
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
"""As MetalLB's next version has it: so it shares a controller-runtime, and what that needs, with other programs."""


def source() -> Recipe:
    """MetalLB's source where it stays, so that Go knows what it has compiled, below a module that requires it."""

    def make(folder: Path) -> None:
        go.release()
        upstream, copy = go.module(MODULE, f"v{VERSION}", DIGEST), folder / "metallb"
        for file in (file for part in PARTS for file in (upstream / part).rglob("*") if file.is_file()):
            target = copy / file.relative_to(upstream)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        shutil.copyfile(upstream / "go.mod", copy / "go.mod")
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(SOURCE / name, folder / name)
        name, call = CALL
        text = (copy / name).read_text()
        if call not in text:
            raise RehearsalError(f"{MODULE} {VERSION} does not call {call} in {name}: look at what it needs now.")
        (copy / name).write_text(text.replace(call, CALLED))

    return Recipe("metallb-source", VERSION, _ingredients(), "fetching its Go module", make)


def recipe() -> Recipe:
    """The programs, and the chart."""

    def make(folder: Path) -> None:
        origin = obtain(source(), print)
        for name in NAMES:
            go.build(f"{MODULE}/{name}", folder / name, folder=origin, cgo=False)
        copy_chart(origin / "metallb/charts/metallb", folder / "chart")

    return Recipe("metallb", VERSION, _ingredients(), "building from its Go module: 1 to 3 minutes on two cores", make)


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


def _ingredients() -> tuple[bytes, ...]:
    return (*(file.read_bytes() for file in sorted(SOURCE.glob("*.*"))), Path(__file__).read_bytes())


PROGRAM = Program(("metallb",), recipe, images, lambda folder: folder / "chart")
