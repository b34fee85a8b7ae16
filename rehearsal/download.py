"""Downloads official releases and verifies the files against the published checksums."""

import re
import shutil
from http.client import HTTPResponse
from pathlib import Path

from provider.download import sha256_of, url_opener
from provider.errors import TaskError
from rehearsal.retries import DOWNLOAD_PATIENCE, with_retries
from rehearsal.shell import RehearsalError

CONNECT_TIMEOUT = 5.0  # seconds until a silent host counts as unreachable


class UnreachableError(Exception):
    """The host is unreachable, has no such file, or stays busy; the caller must try another source."""


def text(url: str) -> str:
    """Download a small text file. Raises UnreachableError."""
    with _open(url) as response:
        content: bytes = response.read()
    return content.decode()


def file(url: str, target: Path, sha256: str) -> None:
    """Download `url` to `target`; fail and delete the file if its SHA-256 differs from `sha256`."""
    with _open(url) as response, target.open("wb") as output:
        shutil.copyfileobj(response, output, 1 << 20)
    actual = sha256_of(target)
    if actual != sha256:
        target.unlink()
        raise RehearsalError(
            f"The file {url} was rejected: its SHA-256 is {actual}, but its release states {sha256}. "
            "The file was altered during the download, or the release is broken."
        )


def checksum_of(listing: str, name: str, where: str) -> str:
    """Return the SHA-256 of the file `name` from a checksum file's text; each line has a digest and a file name."""
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].removeprefix("*") == name and re.fullmatch("[0-9a-f]{64}", words[0]):
            return words[0]
    raise RehearsalError(f"{where} has no SHA-256 for {name}, so the rehearsal cannot verify the file.")


def _open(url: str) -> HTTPResponse:
    def request() -> HTTPResponse:
        response: HTTPResponse = url_opener().open(url, timeout=CONNECT_TIMEOUT)
        return response

    try:
        return with_retries(request, DOWNLOAD_PATIENCE)
    except (OSError, TaskError) as error:
        raise UnreachableError(f"{url}: {error}") from error
