"""The K3s files on the rehearsal's mirror: the installer, binaries and image archives that machines download."""

import json
import os
import platform
import shutil
from collections.abc import Collection, Mapping
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
    folder `agent/images` by architecture, with images that K3s' own archive lacks.
    """

    folder: Path
    version: str
    pins: Mapping[str, str]
    images: tuple[str, ...]
    extra: Mapping[str, tuple[Path, ...]]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Target:
    """K3s' release and the rehearsal's own programs for one architecture."""

    release: Release
    programs: Mapping[str, Path]

    @property
    def files(self) -> list[Path]:
        """All files of the target."""
        release = (self.release.program, self.release.installer, self.release.images)
        return [file for file in (*release, *self.programs.values(), PODINFO_HTML) if file]


def lay_out(
    mirror: Path, version: str, report: Report, bundle: Path | None = None, virtual: Collection[str] = ()
) -> Artefacts:
    """Fill the folder `MIRROR/VERSION` with K3s' files from an air-gap bundle, a K3s release, or a local build.

    `virtual` contains the architectures of virtual machines, which need files of their own. A folder that already
    contains the results of the same source files stays unchanged.
    """
    folder = mirror / version
    targets = {arch: _target(version, arch, report, bundle) for arch in sorted({HOST, *virtual})}
    sources = [_stamp(arch, file) for arch, target in targets.items() for file in target.files]
    made = _recorded(folder, sources) or _fill(folder, targets, sources)
    listing = tuple(made["images"])
    extra = {arch: tuple(folder / name for name in names) for arch, names in made["extra"].items()}
    return Artefacts(folder, version, made["pins"], listing, extra, _rows(targets, listing))


def _target(version: str, arch: str, report: Report, bundle: Path | None) -> Target:
    other = "" if arch == HOST else arch
    release = releases.bundled(bundle, version, arch) if bundle else _found(version, arch, report)
    needed = [recipes.pause(other), recipes.podinfo(other)]
    if (
        not release.images and arch == HOST
    ):  # the pods of these programs start on a server, and every server is a container
        needed += [recipes.coredns(), recipes.metrics_server()]
    return Target(release, {recipe.name: tools.obtain_program(recipe, report) for recipe in needed})


def _stamp(arch: str, file: Path) -> list[str | int]:
    found = file.stat()
    return [arch, str(file), found.st_mtime_ns, found.st_size]


def _recorded(folder: Path, sources: list[list[str | int]]) -> dict[str, Any] | None:
    """Return the record of the folder's content, or None if the folder is incomplete or was filled from other files."""
    record = folder / RECORD_FILE
    found = json.loads(record.read_text()) if record.exists() else {}
    assert isinstance(found, dict)
    return found if found.get("sources") == sources else None


def _fill(folder: Path, targets: Mapping[str, Target], sources: list[list[str | int]]) -> dict[str, Any]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archives = {arch: _images(target, folder, arch) for arch, target in targets.items()}
    for arch in BINARIES.keys() - targets.keys():
        os.link(folder / _archive_name(HOST), folder / _archive_name(arch))
    pins = {arch: _list(folder, arch, _binary(targets, folder, arch)) for arch in BINARIES}
    shutil.copyfile(targets[HOST].release.installer, folder / "install.sh")
    pins["installer"] = download.sha256_of(folder / "install.sh")
    (folder / "install.sh.sha256sum").write_text(f"{pins['installer']}  install.sh\n")
    names = (name for packed in archives[HOST] for name in images.image_names(packed))
    extra = {arch: [packed.name for packed in written[1:]] for arch, written in archives.items()}
    made = {"sources": sources, "pins": pins, "images": list(dict.fromkeys(names)), "extra": extra}
    (folder / RECORD_FILE).write_text(json.dumps(made))
    return made


def _found(version: str, arch: str, report: Report) -> Release:
    """Return an existing local build of K3s, or download the K3s release; if the download fails, build K3s locally."""
    if not k3s.program(version, report, "" if arch == HOST else arch).folder.is_dir():
        try:
            return releases.downloaded(version, arch, report)
        except UnreachableError as error:
            report(f"K3s' release cannot be downloaded ({error}): building K3s")
    return _built(version, arch, report)


def _built(version: str, arch: str, report: Report) -> Release:
    folder = k3s.k3s(version, report, "" if arch == HOST else arch)
    origin = f"built here from the Go module of {k3s.DEFAULT_LABEL}"
    if version != k3s.DEFAULT_LABEL:
        origin += f", labelled {version}"
    if arch != HOST:
        origin += ", without SQLite"
    return Release(folder / "k3s", folder / "install.sh", None, origin, real=version == k3s.DEFAULT_LABEL)


def _binary(targets: Mapping[str, Target], folder: Path, arch: str) -> str:
    """Write the K3s binary of one architecture and return its SHA-256.

    The K3s binary of an architecture without a target is the host's binary with a suffix, so that the checksums differ.
    """
    binary = folder / BINARIES[arch]
    shutil.copyfile(targets.get(arch, targets[HOST]).release.program, binary)
    if arch not in targets:
        with binary.open("ab") as opened:
            opened.write(f"\nrehearsed as {arch}\n".encode())
    binary.chmod(0o755)
    return download.sha256_of(binary)


def _archive_name(arch: str) -> str:
    return f"k3s-airgap-images-{arch}.tar.zst"


def _images(target: Target, folder: Path, arch: str) -> list[Path]:
    """Write an architecture's image archives: K3s' own archive first, then archives with images that it lacks."""
    archive = folder / _archive_name(arch)
    programs = target.programs
    podinfo = {"/podinfo": programs["podinfo"], "/ui/vue.html": PODINFO_HTML}
    ours = (Image.of(STAND_IN_IMAGE, programs["pause"], NOBODY), Image(PODINFO, podinfo, ("/podinfo",), NOBODY))
    if target.release.images:
        extra = folder / f"rehearsal-images-{arch}.tar.zst"
        shutil.copyfile(target.release.images, archive)
        images.write_archive(ours, extra, arch)
        return [archive, extra]
    named = ((COREDNS, "coredns"), (METRICS_SERVER, "metrics-server"))
    theirs = [Image.of(image, programs[name]) for image, name in named if name in programs]
    images.write_archive((Image.of(PAUSE, programs["pause"], NOBODY), *theirs, *ours), archive, arch)
    return [archive]


def _list(folder: Path, arch: str, binary: str) -> str:
    """Write one architecture's checksum file in the format of K3s releases; return the checksum file's SHA-256."""
    archive = folder / _archive_name(arch)
    listed = folder / f"sha256sum-{arch}.txt"
    lines = (f"{binary}  {BINARIES[arch]}", f"{download.sha256_of(archive)}  {archive.name}")
    listed.write_text("".join(f"{line}\n" for line in lines))
    return download.sha256_of(listed)


def _rows(targets: Mapping[str, Target], names: tuple[str, ...]) -> tuple[Row, ...]:
    release = targets[HOST].release
    others = ", ".join(sorted(BINARIES.keys() - targets.keys()))
    return (
        Row("K3s", release.origin, release.real),
        *(
            Row(f"K3s for {arch}", target.release.origin, target.release.real)
            for arch, target in targets.items()
            if arch != HOST
        ),
        Row(f"K3s for {others}", f"the binary for {HOST}, with a suffix", real=False),
        Row("installer", release.origin, real=True),
        *(Row(f"image {name}", "the release's" if release.images else "built here", real=True) for name in names),
    )
