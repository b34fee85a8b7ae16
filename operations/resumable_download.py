"""Resumable downloads of large files over HTTPS, saved only after their checksum is verified."""

import hashlib
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from operations.http import TIMEOUT, FetchError, OnlyToHttps, UnreachableError, refused, require_https

BLOCK_SIZE = 1 << 20
DOWNLOAD_TIMEOUT = 3600
"""Timeout of one download, in seconds."""


def download(url: str, target: Path, sha256: str) -> bool:
    """Download `url` to `target`, unless `target` has the checksum already. Return whether it was downloaded.

    A partial file stays as NAME.part, and the next run resumes it. Raises `FetchError`.
    """
    if target.exists() and digest(target) == sha256:
        return False
    part = target.with_name(f"{target.name}.part")
    _fetch(url, part)
    actual = digest(part)
    if actual != sha256:
        part.unlink()
        raise FetchError(f"{url} does not match its checksum; it was not saved.\nfound  {actual}\nstated {sha256}")
    part.replace(target)
    return True


def digest(file: Path) -> str:
    """Return the SHA-256 checksum of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _fetch(url: str, part: Path) -> None:
    require_https(url)
    size = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={size}-"} if size else {})  # noqa: S310 - https
    try:
        with urllib.request.build_opener(OnlyToHttps).open(request, timeout=TIMEOUT) as response:
            with part.open("ab" if response.status == 206 else "wb") as output:
                output.writelines(_blocks(response, url))
            if response.length:
                missing = f"{response.length} bytes before its end"
                raise UnreachableError(f"The download of {url} broke off {missing}: run the command again.")
    except HTTPError as error:
        with error:
            if error.code == 416 and size:  # the partial file is complete, or is another file; the checksum decides
                return
            raise FetchError(refused(url, error.code)) from None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        raise UnreachableError(f"{url} cannot be downloaded: {cause}. Run the command again to resume.") from None


def _blocks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    end = time.monotonic() + DOWNLOAD_TIMEOUT
    while block := response.read1(BLOCK_SIZE):
        yield block
        if time.monotonic() > end:
            raise UnreachableError(
                f"{url} was not downloaded within {DOWNLOAD_TIMEOUT} s: run the command again to resume."
            )
