"""The K3s files on the rehearsal's mirror: the installer, binaries and image archives that machines download."""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cluster.k3s.config import BINARIES
from provider.download import sha256_of
from rehearsal import images, k3s, recipes, releases, tools
from rehearsal.cache import Report
from rehearsal.download import UnreachableError
from rehearsal.images import NOBODY, Image
from rehearsal.releases import Release
from rehearsal.webhook import STAND_IN_IMAGE

HOST = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
PAUSE = "docker.io/rancher/mirrored-pause:3.6"
COREDNS = f"docker.io/rancher/mirrored-coredns-coredns:{recipes.COREDNS_VERSION}"
METRICS_SERVER = f"docker.io/rancher/mirrored-metrics-server:v{recipes.METRICS_SERVER_VERSION}"
KLIPPER_LB = "docker.io/rancher/klipper-lb:v0.4.13"  # the image of ServiceLB in the K3s that is built here
PODINFO = f"ghcr.io/stefanprodan/podinfo:{recipes.PODINFO_VERSION}"
PODINFO_HTML = Path(__file__).with_name("podinfo.html")
OWN_IMAGES = "rehearsal-images.tar.zst"
RECORD_FILE = "made.json"
"""Record of a version's source files and results, written after all other files."""


@dataclass(frozen=True)
class Row:
    """A row of the summary table `Real and simulated`, which the rehearsal prints at its end."""

    name: str
    origin: str
    real: bool


@dataclass(frozen=True)
class Artefacts:
    """The files of one K3s version on the rehearsal's mirror.

    `pins` contains the values of `k3s.pins`: the SHA-256 of the installer and of each architecture's checksum file.
    `images` contains the names of the images that the machines import. `extra` contains archives for the machines'
    folder `agent/images`, with images that K3s' own archive lacks.
    """

    folder: Path
    version: str
    pins: Mapping[str, str]
    images: tuple[str, ...]
    extra: tuple[Path, ...]
    rows: tuple[Row, ...]


def lay_out(mirror: Path, version: str, report: Report, bundle: Path | None = None) -> Artefacts:
    """Fill the folder `MIRROR/VERSION` with K3s' files from an air-gap bundle, a K3s release, or a local build.

    A folder that already contains the results of the same source files stays unchanged.
    """
    folder = mirror / version
    release = releases.bundled(bundle, version, HOST) if bundle else _found(version, report)
    needed = [
        recipes.pause(),
        recipes.podinfo(),
        *([] if release.images else [recipes.coredns(), recipes.metrics_server(), recipes.klipper_lb()]),
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
    """Return the record of the folder's content, or None if the folder is incomplete or was filled from other files."""
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
    pins["installer"] = sha256_of(folder / "install.sh")
    (folder / "install.sh.sha256sum").write_text(f"{pins['installer']}  install.sh\n")
    made = {"sources": sources, "pins": pins, "images": listing, "extra": extra}
    (folder / RECORD_FILE).write_text(json.dumps(made))
    return made


def _found(version: str, report: Report) -> Release:
    """Return an existing local build of K3s, or download the K3s release; if the download fails, build K3s locally."""
    if not k3s.program(version, report).folder.is_dir():
        try:
            return releases.downloaded(version, HOST, report)
        except UnreachableError as error:
            report(f"K3s' release cannot be downloaded ({error}): building K3s")
    return _built(version, report)


def _built(version: str, report: Report) -> Release:
    folder = k3s.k3s(version, report)
    origin = f"built here from the Go module of {k3s.DEFAULT_LABEL}"
    if version != k3s.DEFAULT_LABEL:
        origin += f", labelled {version}"
    return Release(folder / "k3s", folder / "install.sh", None, origin, real=version == k3s.DEFAULT_LABEL)


def _binary(program: Path, folder: Path, arch: str) -> str:
    """Write the K3s binary of one architecture and return its SHA-256.

    The K3s binary of another CPU architecture is the host's binary with a suffix, so that the checksums differ.
    """
    target = folder / BINARIES[arch]
    shutil.copyfile(program, target)
    if arch != HOST:
        with target.open("ab") as binary:
            binary.write(f"\nrehearsed as {arch}\n".encode())
    target.chmod(0o755)
    return sha256_of(target)


def _images(release: Release, folder: Path, programs: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """Write the image archives; return the names of all images, and the names of archives besides K3s' own archive."""
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
            Image.of(KLIPPER_LB, programs["klipper-lb"]),
        )
        images.write_archive((*theirs, *ours), archive, HOST)
    for arch in BINARIES.keys() - {HOST}:
        os.link(archive, folder / f"k3s-airgap-images-{arch}.tar.zst")
    names = (name for packed in (archive, *(folder / each for each in extra)) for name in images.image_names(packed))
    return list(dict.fromkeys(names)), extra


def _list(folder: Path, arch: str, binary: str) -> str:
    """Write one architecture's checksum file in the format of K3s releases; return the checksum file's SHA-256."""
    archive = folder / f"k3s-airgap-images-{arch}.tar.zst"
    listed = folder / f"sha256sum-{arch}.txt"
    lines = (f"{binary}  {BINARIES[arch]}", f"{sha256_of(archive)}  {archive.name}")
    listed.write_text("".join(f"{line}\n" for line in lines))
    return sha256_of(listed)


def _rows(release: Release, names: tuple[str, ...]) -> tuple[Row, ...]:
    others = ", ".join(sorted(BINARIES.keys() - {HOST}))
    return (
        Row("K3s", release.origin, release.real),
        Row(f"K3s for {others}", f"the binary for {HOST}, with a suffix", real=False),
        Row("installer", release.origin, real=True),
        *(_image_row(name, release) for name in names),
    )


def _image_row(name: str, release: Release) -> Row:
    if name == KLIPPER_LB and not release.images:
        return Row(f"image {name}", "a program that forwards connections, instead of rules for iptables", real=False)
    return Row(f"image {name}", "the release's" if release.images else "built here", real=True)
