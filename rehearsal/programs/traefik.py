"""Traefik's program from its Go module, and its CRDs for the stand-in chart. The dashboard has an API, but no pages."""

import re
import shutil
from pathlib import Path

from rehearsal import go
from rehearsal.cache import Recipe, code_of, obtain
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
    """Recipe of a module that requires Traefik, at a fixed path, so that Go can reuse its build cache.

    The module contains lego, Traefik's ACME client, without its DNS providers, whose build takes longer than Traefik's.
    """

    def make(folder: Path) -> None:
        shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
        upstream, copied = go.module(LEGO, LEGO_VERSION, LEGO_DIGEST), folder / "lego"
        for file in upstream.rglob("*.go"):
            path = file.relative_to(upstream)
            if path.parts[:2] != ("providers", "dns"):
                (copied / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copied / path)
        (copied / "providers").mkdir(exist_ok=True)
        (folder / "dns").rename(copied / "providers/dns")
        (copied / "providers/dns/go.mod").rename(copied / "go.mod")

    return Recipe("traefik-source", VERSION, (LEGO_DIGEST, *_sources()), "fetching its Go module", make)


def recipe() -> Recipe:
    """Recipe of the program, and of the CRDs for the chart."""

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
    return Recipe("traefik", VERSION, (*_sources(), code_of(__file__)), takes, make)


def images(folder: Path) -> tuple[Image, ...]:
    """Return the image, with the name in Docker's registry."""
    return (Image.of(f"docker.io/library/traefik:v{VERSION}", folder / "traefik"),)


def definitions(text: str) -> dict[str, str]:
    """Return the CRDs in a YAML text by name."""
    documents = (document.strip("\n") for document in text.split("\n---\n"))
    return {name[1]: f"{document}\n" for document in documents if (name := _NAME.search(document))}


def _sources() -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in sorted(SOURCE.rglob("*.*")))


PROGRAM = Program(("traefik",), recipe, images, lambda folder: folder / "chart")
