"""Downloads and verifies the checksum lists and the installer of a K3s release."""

import hashlib
import re

from components.cluster.k3s import config
from components.cluster.settings import ClusterSettings, Pins
from operations.http import FetchError, fetch

INSTALLER = "installer"
ARCHITECTURES = tuple(name for name in Pins.model_fields if name != INSTALLER)
_LINE = re.compile(r"(?P<sum>[0-9a-f]{64}) [ *](?P<name>\S+)")


def fetch_pins(cluster: ClusterSettings) -> dict[str, str]:
    """Compute the checksums for `k3s.pins` from the stack's mirror or from the K3s release. Raises `FetchError`."""
    source = config.release_variables(cluster)
    sums = {arch: hashlib.sha256(fetch_checksum_list(source["RELEASES"], arch)).hexdigest() for arch in ARCHITECTURES}
    return sums | {INSTALLER: hashlib.sha256(fetch_installer(source["INSTALLER"])).hexdigest()}


def fetch_checksum_list(release: str, arch: str) -> bytes:
    """Download the checksum list of a K3s release for one CPU architecture. Raises `FetchError`."""
    url = f"{release}/sha256sum-{arch}.txt"
    content = fetch(url)
    if not any(name.startswith(f"{config.IMAGES_ARCHIVE}-{arch}.") for name in parse_checksums(content)):
        raise FetchError(
            f"{url} is not a checksum list of K3s, because checksums for {arch} are missing: check the mirror."
        )
    return content


def fetch_installer(url: str) -> bytes:
    """Download the K3s installer and its checksum file, and verify the installer. Raises `FetchError`."""
    expected, content = parse_checksums(fetch(f"{url}.sha256sum")).get("install.sh"), fetch(url)
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise FetchError(
            f"{url} does not match {url}.sha256sum:\n"
            f"found  {actual}\nstated {expected or 'nothing'}\n"
            "One of the files was modified, or the mirror mixes two versions: find the cause before you pin checksums."
        )
    return content


def parse_checksums(listing: bytes) -> dict[str, str]:
    """Parse the output of `sha256sum` into checksums by file name; ignore invalid lines."""
    lines = (_LINE.fullmatch(line.strip()) for line in listing.decode(errors="replace").splitlines())
    return {line["name"]: line["sum"] for line in lines if line}
