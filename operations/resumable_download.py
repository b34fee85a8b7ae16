"""Downloads large files over HTTPS, resumes interrupted downloads, and saves a file only if its checksum matches."""

import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

from operations.http import FetchError, UnreachableError, open_url
from provider.download import sha256_of

BLOCK_SIZE = 1 << 20
DOWNLOAD_TIMEOUT = 3600
"""Timeout of one download, in seconds."""


def download(url: str, target: Path, sha256: str) -> bool:
    """Download `url` to `target`, unless `target` already has the checksum; return whether the file was downloaded.

    After an interrupted download, the next call continues the partial file NAME.part. Raises `FetchError`.
    """
    if target.exists() and sha256_of(target) == sha256:
        return False
    part = target.with_name(f"{target.name}.part")
    _fetch(url, part)
    actual = sha256_of(part)
    if actual != sha256:
        part.unlink()
        raise FetchError(
            f"{url} does not match its checksum; homelab did not save the file.\nfound  {actual}\nstated {sha256}"
        )
    part.replace(target)
    return True


def _fetch(url: str, part: Path) -> None:
    size = part.stat().st_size if part.exists() else 0
    try:
        with open_url(
            url, {"Range": f"bytes={size}-"} if size else {}, " Run the command again to resume."
        ) as response:
            with part.open("ab" if response.status == 206 else "wb") as output:
                output.writelines(_blocks(response, url))
            if response.length:
                missing = f"{response.length} bytes before its end"
                raise UnreachableError(f"The download of {url} stopped {missing}: run the command again to resume.")
    except FetchError as error:
        # HTTP status 416: the partial file is complete or wrong; the caller verifies the file's checksum
        if not size or error.status != 416:
            raise


def _blocks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    end = time.monotonic() + DOWNLOAD_TIMEOUT
    while block := response.read1(BLOCK_SIZE):
        yield block
        if time.monotonic() > end:
            late = f"{url} was not downloaded within {DOWNLOAD_TIMEOUT} s"
            raise UnreachableError(f"{late}: run the command again to resume.")
