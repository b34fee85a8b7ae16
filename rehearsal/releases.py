"""A release of K3s as it is published: from a folder with the same layout, or from the network."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rehearsal import download
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.shell import RehearsalError

FILES = "https://github.com/k3s-io/k3s/releases/download"
SOURCE = "https://raw.githubusercontent.com/k3s-io/k3s"
BINARIES = {"amd64": "k3s", "arm64": "k3s-arm64", "arm": "k3s-armhf"}


@dataclass(frozen=True)
class Release:
    """Files of one release for this computer: binary, installer, archive of images (None: it has none)."""

    program: Path
    installer: Path
    images: Path | None
    origin: str
    real: bool


def bundled(bundle: Path, version: str, arch: str) -> Release:
    """The release in `BUNDLE/VERSION`; every file must be there and be what its checksum file states."""
    folder = bundle / version
    if not folder.is_dir():
        there = ", ".join(sorted(found.name for found in bundle.glob("v*"))) or "none"
        raise RehearsalError(f"{bundle} has no folder {version} (there: {there}). Add it, or leave --bundle out.")
    for name, listing in _files(arch).items():
        _verify(folder / name, folder / listing)
    return _release(folder, arch, f"bundle {bundle}")


def released(version: str, arch: str, report: Report, files: str = FILES, source: str = SOURCE) -> Release:
    """The official release, fetched once; raises OutOfReachError."""
    tag = quote(version, safe="")

    def make(folder: Path) -> None:
        for name, listing in _files(arch).items():
            base = f"{source}/{tag}" if name == "install.sh" else f"{files}/{tag}"
            (folder / listing).write_text(download.text(f"{base}/{listing}"))
            stated = download.stated((folder / listing).read_text(), name, f"{base}/{listing}")
            download.file(f"{base}/{name}", folder / name, stated)

    recipe = Recipe("k3s-release", version, (arch, files), "downloading, 300 MB", make)
    return _release(obtain(recipe, report), arch, f"release {version}")


def _files(arch: str) -> dict[str, str]:
    """What is fetched, and the checksum file that states what it must be."""
    sums = f"sha256sum-{arch}.txt"
    return {
        BINARIES[arch]: sums,
        f"k3s-airgap-images-{arch}.tar.zst": sums,
        "install.sh": "install.sh.sha256sum",
    }


def _release(folder: Path, arch: str, origin: str) -> Release:
    program, archive, installer = (folder / name for name in _files(arch))
    return Release(program, installer, archive, origin, real=True)


def _verify(file: Path, listing: Path) -> None:
    for needed in (file, listing):
        if not needed.is_file():
            raise RehearsalError(f"{needed} is not there, and the bundle needs it.")
    stated, found = download.stated(listing.read_text(), file.name, str(listing)), download.digest(file)
    if stated != found:
        raise RehearsalError(f"{file} was refused: its SHA-256 is {found}, {listing.name} states {stated}.")
