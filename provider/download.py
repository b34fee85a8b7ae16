"""Download files over HTTP with limits on size and time, and compute their checksums.

Every incomplete download raises an error.
"""

import hashlib
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provider.errors import TaskError

IDLE_SECONDS = 15  # maximum wait for the next bytes
TOTAL_SECONDS = 180  # maximum duration of one download
BLOCK_BYTES = 1 << 16
USER_AGENT = "homelab"  # some hosts refuse Python's default User-Agent


class Unauthorized(TaskError):  # noqa: N818 - the name of HTTP's status 401
    """The HTTP server requires authentication; `challenge` is the response's `WWW-Authenticate` header."""

    def __init__(self, text: str, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Redirect handler that refuses redirects from https to http."""

    def redirect_request(  # noqa: PLR0917 - as the base class has it
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """Return the HTTP request that follows a redirect to `newurl`.

        Raises TaskError for a redirect from https to http.
        """
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise TaskError(
                f"{req.full_url} redirects to the http URL {newurl}; homelab follows no redirect from https to http."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, max_bytes: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Fetch a file of at most `max_bytes` over http or https. This call blocks. Raises TaskError.

    The function sends `headers` only to the host in `url`, never to the target of a redirect.
    """
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})  # noqa: S310
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)
    end = time.monotonic() + TOTAL_SECONDS
    try:
        with url_opener().open(request, timeout=IDLE_SECONDS) as response:
            return _read(response, url, max_bytes, end)
    except urllib.error.HTTPError as error:
        text = f"{url} answers {error.code} {error.reason}: {_FIX}"
        challenge = error.headers.get("WWW-Authenticate", "")
        raise (Unauthorized(text, challenge) if challenge else TaskError(text)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise TaskError(f"{url} could not be fetched ({cause or type(cause).__name__}): {_FIX}") from error


_FIX = "check that your workstation can reach the server and that the repository's URL is correct, then try again."


def sha256_of(file: Path) -> str:
    """Return the SHA-256 checksum of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def url_opener(tls_context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """Return a URL opener for http and https that uses the proxy in environment variables such as `HTTPS_PROXY`.

    By default, the opener trusts the CAs of the workstation.
    """
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=tls_context or ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirect(),
    ):
        director.add_handler(handler)
    return director


def _read(response: http.client.HTTPResponse, url: str, max_bytes: int, end: float) -> bytes:
    content = bytearray()
    while block := response.read1(BLOCK_BYTES):
        content += block
        if len(content) > max_bytes:
            raise TaskError(
                f"{url} is larger than {max_bytes >> 20} MiB, so homelab stopped the download. Check the URL."
            )
        if time.monotonic() > end:
            raise TaskError(f"{url} was not completely downloaded within {TOTAL_SECONDS} s: {_FIX}")
    if response.length:  # bytes of Content-Length that are still missing
        raise TaskError(f"The download of {url} ended {response.length} bytes too early; try again.")
    return bytes(content)
