"""Downloads small files over HTTPS, only from servers whose certificate the workstation trusts."""

import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError

TIMEOUT = 10.0
"""Seconds without an answer after which a host counts as unreachable."""
MAX_BYTES = 1 << 20
"""Maximum size of a file, in bytes."""


class FetchError(Exception):
    """A download failed. The message states the URL, the cause and the fix."""


class UnreachableError(FetchError):
    """The host is unreachable or its certificate is not trusted. The message states the URL and the cause."""


def fetch(url: str) -> bytes:
    """Download the file at `url`, never over plain HTTP. Raises `FetchError`."""
    require_https(url)
    opener = urllib.request.build_opener(OnlyToHttps)
    try:
        with opener.open(url, timeout=TIMEOUT) as response:
            content: bytes = response.read(MAX_BYTES + 1)
    except HTTPError as error:
        with error:
            raise FetchError(refused(url, error.code)) from None
    except (OSError, HTTPException) as error:
        raise UnreachableError(f"{url} cannot be downloaded: {getattr(error, 'reason', error)}.") from None
    if len(content) > MAX_BYTES:
        raise FetchError(f"{url} is larger than {MAX_BYTES >> 20} MiB: it is not the expected file.")
    return content


class OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to https URLs."""

    def redirect_request(  # noqa: PLR0917  # signature of urllib
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Return the redirected request. Raises `FetchError` if the new URL is not https."""
        require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_https(url: str) -> None:
    """Reject a URL that is not https with `FetchError`."""
    if not url.startswith("https://"):
        raise FetchError(f"{url} is not https: anyone on the network path could have changed its content.")


def refused(url: str, code: int) -> str:
    """Return the message for an HTTP error status."""
    if code == 404:
        return f"{url} does not exist: check that k3s.version is a release of K3s, and that your mirror has the file."
    return f"{url} was refused with HTTP status {code}: try again later, or use another source."
