"""The checksums of a release of K3s, as its source states them."""

import hashlib
import re

from components import k3s
from components.lab import ClusterSettings, Pins
from operations.https import FetchError, fetch

INSTALLER = "installer"
ARCHITECTURES = tuple(name for name in Pins.model_fields if name != INSTALLER)
_LINE = re.compile(r"(?P<sum>[0-9a-f]{64}) [ *](?P<name>\S+)")


def pins(cluster: ClusterSettings) -> dict[str, str]:
    """Fetch what `k3s.pins` pins, from the stack's mirror or K3s' own release. Raises `FetchError`."""
    source = k3s.release(cluster)
    found = {arch: hashlib.sha256(listing(source["RELEASES"], arch)).hexdigest() for arch in ARCHITECTURES}
    return found | {INSTALLER: hashlib.sha256(installer(source["INSTALLER"])).hexdigest()}


def listing(release: str, arch: str) -> bytes:
    """The release's list of checksums for an architecture. Raises `FetchError`."""
    url = f"{release}/sha256sum-{arch}.txt"
    content = fetch(url)
    if not any(name.startswith(f"{k3s.IMAGES}-{arch}.") for name in stated(content)):
        raise FetchError(f"{url} does not list the checksums of K3s for {arch}: it is not a file of a release.")
    return content


def installer(url: str) -> bytes:
    """The installer, which is what its checksum beside it states. Raises `FetchError`."""
    wanted, content = stated(fetch(f"{url}.sha256sum")).get("install.sh"), fetch(url)
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise FetchError(
            f"{url} is not what {url}.sha256sum states:\n"
            f"found  {found}\nstated {wanted or 'nothing'}\n"
            "Someone changed one of them, or the mirror has files of two versions: pin neither before you know which."
        )
    return content


def stated(listing: bytes) -> dict[str, str]:
    """File names and their checksums; what is no such line does not count."""
    lines = (_LINE.fullmatch(line.strip()) for line in listing.decode(errors="replace").splitlines())
    return {line["name"]: line["sum"] for line in lines if line}
