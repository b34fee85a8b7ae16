"""K3s' artefacts, laid out as the mirror that machines fetch them from."""

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rehearsal import download, images, k3s, recipes, releases, tools
from rehearsal.cache import Report
from rehearsal.download import OutOfReachError
from rehearsal.images import NOBODY, Image
from rehearsal.releases import BINARIES, Release
from rehearsal.webhook import STAND_IN

HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PAUSE = "docker.io/rancher/mirrored-pause:3.6"
COREDNS = f"docker.io/rancher/mirrored-coredns-coredns:{recipes.COREDNS}"
PODINFO = f"ghcr.io/stefanprodan/podinfo:{recipes.PODINFO}"
OWN_IMAGES = "rehearsal-images.tar.zst"


@dataclass(frozen=True)
class Row:
    """One line of the table that says what is real."""

    what: str
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
    """Fill `MIRROR/VERSION` anew: from `bundle` (laid out the same), or a release, or what is built here."""
    folder = mirror / version
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    release = releases.bundled(bundle, version, HOST) if bundle else _found(version, report)
    listing, extra = _images(release, folder, report)
    pins = {arch: _list(folder, arch, _binary(release.program, folder, arch)) for arch in BINARIES}
    shutil.copyfile(release.installer, folder / "install.sh")
    pins["installer"] = download.digest(folder / "install.sh")
    (folder / "install.sh.sha256sum").write_text(f"{pins['installer']}  install.sh\n")
    return Artefacts(folder, version, pins, listing, extra, _rows(release, listing))


def _found(version: str, report: Report) -> Release:
    """What was built before stays in use; else the release, else what is built now."""
    if not k3s.program(version, report).folder.is_dir():
        try:
            return releases.released(version, HOST, report)
        except OutOfReachError as error:
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
    return download.digest(target)


def _images(release: Release, folder: Path, report: Report) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """Put K3s' archive of images and our own in place; the names in them, and what K3s' own lacks."""
    archive = folder / f"k3s-airgap-images-{HOST}.tar.zst"
    pause = tools.program(recipes.pause(), report)
    ours = (
        Image(STAND_IN, pause, NOBODY),
        Image(PODINFO, tools.program(recipes.podinfo(), report), NOBODY),
    )
    extra: tuple[Path, ...] = ()
    if release.images:
        shutil.copyfile(release.images, archive)
        extra = (folder / OWN_IMAGES,)
        images.write(ours, extra[0], HOST)
    else:
        dns = Image(COREDNS, tools.program(recipes.coredns(), report))
        images.write((Image(PAUSE, pause, NOBODY), dns, *ours), archive, HOST)
    for arch in BINARIES.keys() - {HOST}:
        os.link(archive, folder / f"k3s-airgap-images-{arch}.tar.zst")
    names = (name for packed in (archive, *extra) for name in images.names(packed))
    return tuple(dict.fromkeys(names)), extra


def _list(folder: Path, arch: str, binary: str) -> str:
    """Write the checksum file of one architecture, as a release of K3s has it; returns its own SHA-256."""
    archive = folder / f"k3s-airgap-images-{arch}.tar.zst"
    listed = folder / f"sha256sum-{arch}.txt"
    lines = (f"{binary}  {BINARIES[arch]}", f"{download.digest(archive)}  {archive.name}")
    listed.write_text("".join(f"{line}\n" for line in lines))
    return download.digest(listed)


def _rows(release: Release, names: tuple[str, ...]) -> tuple[Row, ...]:
    others = ", ".join(sorted(BINARIES.keys() - {HOST}))
    return (
        Row("K3s", release.origin, release.real),
        Row(f"K3s for {others}", f"the program for {HOST}, with a mark", real=False),
        Row("installer", release.origin, real=True),
        *(Row(f"image {name}", "the release's" if release.images else "built here", real=True) for name in names),
        Row("all other images", "the stand-in, which sleeps", real=False),
    )
