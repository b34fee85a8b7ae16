"""Files over HTTP: whole or not at all, never larger and never slower than a bound."""

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from .errors import TaskError

SILENCE_SECONDS = 15  # without a byte
TOTAL_SECONDS = 180  # for one file
BLOCK = 1 << 16
AGENT = "homelab"  # some hosts refuse the name that Python gives itself


class Unauthorized(TaskError):  # noqa: N818 - it says what we are
    """The host wants to know who asks; `challenge` is how it says so."""

    def __init__(self, text: str, challenge: str) -> None:
        super().__init__(text)
        self.challenge = challenge


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to http."""

    def redirect_request(  # noqa: PLR0917 - as the base class has it
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """The next request. Raises TaskError if it would leave TLS."""
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise TaskError(f"{req.full_url} leads to {newurl}, from https to http; nothing was fetched from there.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(url: str, largest: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Fetch a file of at most `largest` bytes over http or https; blocks. Raises TaskError that names the URL.

    `headers` are for this host: they do not follow where it redirects to.
    """
    request = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})  # noqa: S310
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)
    end = time.monotonic() + TOTAL_SECONDS
    try:
        with opener().open(request, timeout=SILENCE_SECONDS) as response:
            return _read(response, url, largest, end)
    except urllib.error.HTTPError as error:
        text = f"{url} answers {error.code} {error.reason}: {_MEND}"
        challenge = error.headers.get("WWW-Authenticate", "")
        raise (Unauthorized(text, challenge) if challenge else TaskError(text)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        raise TaskError(f"{url} could not be fetched ({cause or type(cause).__name__}): {_MEND}") from error


_MEND = "see that this computer reaches it, and that the repository's address is right, then try again."


def opener() -> urllib.request.OpenerDirector:
    """What speaks http and https, through the proxy of the environment, and no other scheme."""
    found = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirect(),
    ):
        found.add_handler(handler)
    return found


def _read(response: http.client.HTTPResponse, url: str, largest: int, end: float) -> bytes:
    content = bytearray()
    while block := response.read1(BLOCK):
        content += block
        if len(content) > largest:
            raise TaskError(
                f"{url} is larger than {largest >> 20} MiB; the rest was not fetched. Is it the right file?"
            )
        if time.monotonic() > end:
            raise TaskError(f"{url} did not arrive within {TOTAL_SECONDS} s: {_MEND}")
    if response.length:  # what Content-Length promised and the connection did not bring
        raise TaskError(f"{url} broke off {response.length} bytes before its end: try again.")
    return bytes(content)
