"""Traefik from its Go module; its stand-in chart gets the real CRDs. Its dashboard has no page, only the API."""

import re
import shutil
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, obtain
from rehearsal.images import Image
from rehearsal.programs import Program
from rehearsal.recipes import SOURCES

MODULE = "github.com/traefik/traefik/v3"
VERSION = "3.7.11"
LEGO = "github.com/go-acme/lego/v5"
LEGO_VERSION = "v5.3.1"
LEGO_DIGEST = "h1:xYT4CLZecfsFYJ3G94Z3alJn6oBlUrGYJH5rpGfo5YE="
SOURCE = SOURCES / "traefik"
CRDS = "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml"
_NAME = re.compile(r"^  name: (\S+)$", re.MULTILINE)


def source() -> Recipe:
    """The module that requires Traefik where it stays, so that Go knows what it has compiled.

    In it is a copy of lego, Traefik's ACME client, without its DNS providers: they take longer to build than Traefik.
    """

    def make(folder: Path) -> None:
        shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
        upstream, copy = go.module(LEGO, LEGO_VERSION, LEGO_DIGEST), folder / "lego"
        for file in upstream.rglob("*.go"):
            place = file.relative_to(upstream)
            if place.parts[:2] != ("providers", "dns"):
                (copy / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy / place)
        (copy / "providers").mkdir(exist_ok=True)
        (folder / "dns").rename(copy / "providers/dns")
        (copy / "providers/dns/go.mod").rename(copy / "go.mod")

    return Recipe("traefik-source", VERSION, (LEGO_DIGEST, *_sources()), "fetching its Go module", make)


def recipe() -> Recipe:
    """The program, and the CRDs for the chart."""

    def make(folder: Path) -> None:
        go.release()
        origin = obtain(source(), print)
        variables = {f"{MODULE}/pkg/version.Version": VERSION}
        go.build(f"{MODULE}/cmd/traefik", folder / "traefik", folder=origin, variables=variables, cgo=False)
        crds = folder / "chart/crds"
        crds.mkdir(parents=True)
        for name, text in definitions((go.required(MODULE, origin) / CRDS).read_text()).items():
            (crds / f"{name}.yaml").write_text(text)

    takes = "building from its Go module: 3 minutes on two cores"
    return Recipe("traefik", VERSION, (*_sources(), Path(__file__).read_bytes()), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Its image, as Docker's registry has it."""
    return (Image.of(f"docker.io/library/traefik:v{VERSION}", folder / "traefik"),)


def definitions(text: str) -> dict[str, str]:
    """The CRDs of a file, by name."""
    found = (each.strip("\n") for each in text.split("\n---\n"))
    return {name[1]: f"{each}\n" for each in found if (name := _NAME.search(each))}


def _sources() -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in sorted(SOURCE.rglob("*.*")))


PROGRAM = Program(("traefik",), recipe, images, lambda folder: folder / "chart")
