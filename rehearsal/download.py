"""Official downloads: verified by the checksum their release states, or refused."""

import hashlib
import re
import shutil
import urllib.request
from http.client import HTTPResponse
from pathlib import Path

from rehearsal.shell import RehearsalError

REACH = 5.0  # seconds until a host that says nothing counts as out of reach


class OutOfReachError(Exception):
    """The official host cannot be reached, or has no such file: another source is tried."""


def text(url: str) -> str:
    """A small file as text; raises OutOfReachError when it cannot be had."""
    with _open(url) as response:
        content: bytes = response.read()
    return content.decode()


def file(url: str, target: Path, sha256: str) -> None:
    """Write the file at `url` to `target` if its SHA-256 is the stated one, else fail and leave nothing."""
    with _open(url) as response, target.open("wb") as output:
        shutil.copyfileobj(response, output, 1 << 20)
    found = digest(target)
    if found != sha256:
        target.unlink()
        raise RehearsalError(
            f"{url} was refused: its SHA-256 is {found}, its release states {sha256}. "
            "Something between here and there changed it, or the release is broken."
        )


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def stated(listing: str, name: str, where: str) -> str:
    """The SHA-256 that a checksum file (lines of digest and name) states for `name`."""
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].removeprefix("*") == name and re.fullmatch("[0-9a-f]{64}", words[0]):
            return words[0]
    raise RehearsalError(f"{where} states no SHA-256 for {name}, so it cannot be verified.")


def _open(url: str) -> HTTPResponse:
    if not url.startswith(("http://", "https://")):
        raise ValueError(url)
    try:
        response: HTTPResponse = urllib.request.urlopen(url, timeout=REACH)  # noqa: S310  # looked at above
    except OSError as error:
        raise OutOfReachError(f"{url}: {error}") from error
    return response
