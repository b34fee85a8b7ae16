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
    found = {arch: _list(f"{source['RELEASES']}/sha256sum-{arch}.txt", arch) for arch in ARCHITECTURES}
    return found | {INSTALLER: _installer(source["INSTALLER"])}


def _list(url: str, arch: str) -> str:
    content = fetch(url)
    if not any(name.startswith(f"{k3s.IMAGES}-{arch}.") for name in _stated(content)):
        raise FetchError(f"{url} does not list the checksums of K3s for {arch}: it is not a file of a release.")
    return hashlib.sha256(content).hexdigest()


def _installer(url: str) -> str:
    stated = _stated(fetch(f"{url}.sha256sum")).get("install.sh")
    found = hashlib.sha256(fetch(url)).hexdigest()
    if found != stated:
        raise FetchError(
            f"{url} is not what {url}.sha256sum states:\n"
            f"found  {found}\nstated {stated or 'nothing'}\n"
            "Someone changed one of them, or the mirror has files of two versions: pin neither before you know which."
        )
    return found


def _stated(listing: bytes) -> dict[str, str]:
    """File names and their checksums; what is no such line does not count."""
    lines = (_LINE.fullmatch(line.strip()) for line in listing.decode(errors="replace").splitlines())
    return {line["name"]: line["sum"] for line in lines if line}
