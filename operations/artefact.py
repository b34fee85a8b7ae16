"""A large file over HTTPS: gone on with where it broke off, and in its place only when it is what it should be."""

import hashlib
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError

from operations.https import SILENCE, FetchError, OnlyToHttps, OutOfReachError, refuse_plain, refused

BLOCK = 1 << 20
PATIENCE = 3600
"""Seconds for one file."""


def obtain(url: str, target: Path, sha256: str) -> bool:
    """Have the file at `url` in `target`; returns whether it had to be fetched. Raises `FetchError`.

    A half is kept as NAME.part, and the next run goes on with it.
    """
    if target.exists() and digest(target) == sha256:
        return False
    part = target.with_name(f"{target.name}.part")
    _fetch(url, part)
    found = digest(part)
    if found != sha256:
        part.unlink()
        raise FetchError(f"{url} is not what its release states; it was not kept.\nfound  {found}\nstated {sha256}")
    part.replace(target)
    return True


def digest(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _fetch(url: str, part: Path) -> None:
    refuse_plain(url)
    have = part.stat().st_size if part.exists() else 0
    asked = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - https
    try:
        with urllib.request.build_opener(OnlyToHttps).open(asked, timeout=SILENCE) as response:
            with part.open("ab" if response.status == 206 else "wb") as output:
                output.writelines(_blocks(response, url))
            if response.length:
                raise OutOfReachError(f"{url} broke off {response.length} bytes before its end: run this again.")
    except HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing is left to fetch: what is there is whole, or another file's
                return
            raise FetchError(refused(url, error.code)) from None
    except (OSError, HTTPException) as error:
        cause = getattr(error, "reason", error)
        raise OutOfReachError(f"{url} cannot be had: {cause}. What is there is kept; run this again.") from None


def _blocks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    end = time.monotonic() + PATIENCE
    while block := response.read1(BLOCK):
        yield block
        if time.monotonic() > end:
            raise OutOfReachError(f"{url} did not arrive within {PATIENCE} s. What is there is kept; run this again.")
