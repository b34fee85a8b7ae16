"""Official releases of K3s, downloaded from GitHub or read from a bundle."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from components.cluster.k3s.config import BINARIES
from provider.download import sha256_of
from rehearsal import download
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.shell import RehearsalError

FILES_URL = "https://github.com/k3s-io/k3s/releases/download"
SOURCE_URL = "https://raw.githubusercontent.com/k3s-io/k3s"


@dataclass(frozen=True)
class Release:
    """A K3s release for the host's architecture; `images` is the image archive (None if the release has none)."""

    program: Path
    installer: Path
    images: Path | None
    origin: str
    real: bool


def bundled(bundle: Path, version: str, arch: str) -> Release:
    """Return the K3s release in the folder `BUNDLE/VERSION`; verify all files against the checksum files."""
    folder = bundle / version
    if not folder.is_dir():
        existing = ", ".join(sorted(entry.name for entry in bundle.glob("v*"))) or "none"
        raise RehearsalError(
            f"The bundle {bundle} has no folder {version} (it has: {existing}): add the folder, or omit --bundle."
        )
    for name, listing in _files(arch).items():
        _verify(folder / name, folder / listing)
    return _release(folder, arch, f"bundle {bundle}")


def downloaded(version: str, arch: str, report: Report, files: str = FILES_URL, source: str = SOURCE_URL) -> Release:
    """Return K3s' official release, downloaded into the cache. Raises UnreachableError."""
    tag = quote(version, safe="")

    def make(folder: Path) -> None:
        for name, listing in _files(arch).items():
            base = f"{source}/{tag}" if name == "install.sh" else f"{files}/{tag}"
            (folder / listing).write_text(download.text(f"{base}/{listing}"))
            stated = download.checksum_of((folder / listing).read_text(), name, f"{base}/{listing}")
            download.file(f"{base}/{name}", folder / name, stated)

    recipe = Recipe("k3s-release", version, (arch, files), "downloading, 300 MB", make)
    return _release(obtain(recipe, report), arch, f"release {version}")


def _files(arch: str) -> dict[str, str]:
    """Return the name of each file of a K3s release, with the name of the checksum file that lists the file."""
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
            raise RehearsalError(f"The file {needed} is missing from the air-gap bundle: add the file.")
    stated, actual = download.checksum_of(listing.read_text(), file.name, str(listing)), sha256_of(file)
    if stated != actual:
        raise RehearsalError(
            f"The file {file} was rejected: its SHA-256 is {actual}, but {listing.name} states {stated}."
        )
