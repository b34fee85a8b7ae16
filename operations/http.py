"""Downloads small files over HTTPS from servers with a certificate that the workstation trusts."""

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError

from provider.download import url_opener
from provider.errors import TaskError

TIMEOUT = 15.0
"""Seconds without an answer after which a host counts as unreachable."""
MAX_BYTES = 1 << 20
"""Maximum size of a file that `fetch` downloads."""


class FetchError(Exception):
    """A download failed; the error message states URL, cause and fix, and `status` is the HTTP status or None."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class UnreachableError(FetchError):
    """A server is unreachable, or the workstation does not trust its certificate; the message states URL and cause."""


def fetch(url: str) -> bytes:
    """Download the file at an https URL, and return its content. Raises `FetchError`."""
    with open_url(url) as response:
        content = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FetchError(
            f"The file {url} is larger than {MAX_BYTES >> 20} MiB, so it is not the expected file: check the URL."
        )
    return content


@contextmanager
def open_url(url: str, headers: Mapping[str, str] | None = None, advice: str = "") -> Iterator[HTTPResponse]:
    """Open an https URL; if the connection fails, append `advice` to the error message. Raises `FetchError`."""
    _require_https(url)
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - https
    try:
        with url_opener().open(request, timeout=TIMEOUT) as response:
            yield response
    except HTTPError as error:
        with error:
            raise FetchError(_status_message(url, error.code), error.code) from None
    except TaskError as error:
        raise FetchError(str(error)) from None
    except (OSError, HTTPException) as error:
        raise UnreachableError(f"{url} cannot be downloaded: {getattr(error, 'reason', error)}.{advice}") from None


def _require_https(url: str) -> None:
    if not url.startswith("https://"):
        raise FetchError(f"{url} is not an https URL, so anyone on the network path can change its content: use https.")


def _status_message(url: str, status: int) -> str:
    if status == 404:
        return f"{url} does not exist: check that k3s.version is a K3s release, and that your mirror has the file."
    return f"The server refused {url} with HTTP status {status}: try again later, or use another server."
