"""K3s' artefacts, laid out as the mirror that machines fetch them from."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import download, images, k3s, recipes, releases, tools
from rehearsal.cache import Report
from rehearsal.download import UnreachableError
from rehearsal.images import NOBODY, Image
from rehearsal.releases import BINARIES, Release
from rehearsal.webhook import STAND_IN_IMAGE

HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PAUSE = "docker.io/rancher/mirrored-pause:3.6"
COREDNS = f"docker.io/rancher/mirrored-coredns-coredns:{recipes.COREDNS_VERSION}"
METRICS_SERVER = f"docker.io/rancher/mirrored-metrics-server:v{recipes.METRICS_SERVER_VERSION}"
PODINFO = f"ghcr.io/stefanprodan/podinfo:{recipes.PODINFO_VERSION}"
PODINFO_HTML = Path(__file__).with_name("podinfo.html")
OWN_IMAGES = "rehearsal-images.tar.zst"
RECORD_FILE = "made.json"
"""What a version was laid out from, and the result; written last."""


@dataclass(frozen=True)
class Row:
    """One line of the table that says what is real."""

    name: str
    origin: str
    real: bool


@dataclass(frozen=True)
class Artefacts:
    """A mirror of one version of K3s.

    `pins` are those of a stack file: the SHA-256 of each architecture's checksum file, and of the installer.
    `images` are the names that machines will have; `extra` are archives to put into their `agent/images`
    because K3s' own lacks them.
    """

    folder: Path
    version: str
    pins: Mapping[str, str]
    images: tuple[str, ...]
    extra: tuple[Path, ...]
    rows: tuple[Row, ...]


def lay_out(mirror: Path, version: str, report: Report, bundle: Path | None = None) -> Artefacts:
    """Fill `MIRROR/VERSION`: from `bundle` (laid out the same), or a release, or what is built here.

    What was laid out from the same sources stays.
    """
    folder = mirror / version
    release = releases.bundled(bundle, version, HOST) if bundle else _found(version, report)
    needed = [
        recipes.pause(),
        recipes.podinfo(),
        *([] if release.images else [recipes.coredns(), recipes.metrics_server()]),
    ]
    ours = {recipe.name: tools.obtain_program(recipe, report) for recipe in needed}
    files = (release.program, release.installer, release.images, *ours.values(), PODINFO_HTML)
    sources = [_stamp(file) for file in files if file]
    made = _recorded(folder, sources) or _fill(folder, release, ours, sources)
    listing = tuple(made["images"])
    return Artefacts(
        folder, version, made["pins"], listing, tuple(folder / name for name in made["extra"]), _rows(release, listing)
    )


def _stamp(file: Path) -> list[str | int]:
    found = file.stat()
    return [str(file), found.st_mtime_ns, found.st_size]


def _recorded(folder: Path, sources: list[list[str | int]]) -> dict[str, Any] | None:
    """What is there, if it was made of these sources to its end."""
    record = folder / RECORD_FILE
    found = json.loads(record.read_text()) if record.exists() else {}
    assert isinstance(found, dict)
    return found if found.get("sources") == sources else None


def _fill(folder: Path, release: Release, ours: Mapping[str, Path], sources: list[list[str | int]]) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listing, extra = _images(release, folder, ours)
    pins = {arch: _list(folder, arch, _binary(release.program, folder, arch)) for arch in BINARIES}
    shutil.copyfile(release.installer, folder / "install.sh")
    pins["installer"] = download.sha256_of(folder / "install.sh")
    (folder / "install.sh.sha256sum").write_text(f"{pins['installer']}  install.sh\n")
    made = {"sources": sources, "pins": pins, "images": listing, "extra": extra}
    (folder / RECORD_FILE).write_text(json.dumps(made))
    return made


def _found(version: str, report: Report) -> Release:
    """What was built before stays in use; else the release, else what is built now."""
    if not k3s.program(version, report).folder.is_dir():
        try:
            return releases.downloaded(version, HOST, report)
        except UnreachableError as error:
            report(f"no download ({error}): building it")
    return _built(version, report)


def _built(version: str, report: Report) -> Release:
    folder = k3s.k3s(version, report)
    origin = f"built here from the Go module of {k3s.DEFAULT_LABEL}"
    if version != k3s.DEFAULT_LABEL:
        origin += f", labelled {version}"
    return Release(folder / "k3s", folder / "install.sh", None, origin, real=version == k3s.DEFAULT_LABEL)


def _binary(program: Path, folder: Path, arch: str) -> str:
    """One architecture's binary: all are this computer's, but for a mark that tells them apart."""
    target = folder / BINARIES[arch]
    shutil.copyfile(program, target)
    if arch != HOST:
        with target.open("ab") as binary:
            binary.write(f"\nrehearsed as {arch}\n".encode())
    target.chmod(0o755)
    return download.sha256_of(target)


def _images(release: Release, folder: Path, programs: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """Put K3s' archive of images and our own in place; the names in them, and what K3s' own lacks."""
    archive = folder / f"k3s-airgap-images-{HOST}.tar.zst"
    podinfo = {"/podinfo": programs["podinfo"], "/ui/vue.html": PODINFO_HTML}
    ours = (Image.of(STAND_IN_IMAGE, programs["pause"], NOBODY), Image(PODINFO, podinfo, ("/podinfo",), NOBODY))
    extra: list[str] = []
    if release.images:
        shutil.copyfile(release.images, archive)
        extra = [OWN_IMAGES]
        images.write_archive(ours, folder / OWN_IMAGES, HOST)
    else:
        theirs = (
            Image.of(PAUSE, programs["pause"], NOBODY),
            Image.of(COREDNS, programs["coredns"]),
            Image.of(METRICS_SERVER, programs["metrics-server"]),
        )
        images.write_archive((*theirs, *ours), archive, HOST)
    for arch in BINARIES.keys() - {HOST}:
        os.link(archive, folder / f"k3s-airgap-images-{arch}.tar.zst")
    names = (name for packed in (archive, *(folder / each for each in extra)) for name in images.image_names(packed))
    return list(dict.fromkeys(names)), extra


def _list(folder: Path, arch: str, binary: str) -> str:
    """Write the checksum file of one architecture, as a release of K3s has it; returns its own SHA-256."""
    archive = folder / f"k3s-airgap-images-{arch}.tar.zst"
    listed = folder / f"sha256sum-{arch}.txt"
    lines = (f"{binary}  {BINARIES[arch]}", f"{download.sha256_of(archive)}  {archive.name}")
    listed.write_text("".join(f"{line}\n" for line in lines))
    return download.sha256_of(listed)


def _rows(release: Release, names: tuple[str, ...]) -> tuple[Row, ...]:
    others = ", ".join(sorted(BINARIES.keys() - {HOST}))
    return (
        Row("K3s", release.origin, release.real),
        Row(f"K3s for {others}", f"the program for {HOST}, with a mark", real=False),
        Row("installer", release.origin, real=True),
        *(Row(f"image {name}", "the release's" if release.images else "built here", real=True) for name in names),
    )
