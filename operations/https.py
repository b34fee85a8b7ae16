"""Small files over HTTPS: whoever hands them over has a certificate that this computer trusts."""

import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.error import HTTPError

SILENCE = 10.0
"""Seconds without an answer until a host counts as out of reach."""
LARGEST = 1 << 20
"""Bytes that no such file has."""


class FetchError(Exception):
    """A file was not had. Its text says which, why, and what to do."""


class OutOfReachError(FetchError):
    """Its host was not reached, or is not trusted. Its text says which and why."""


def fetch(url: str) -> bytes:
    """Return what is at `url`, never over plain HTTP. Raises `FetchError`."""
    refuse_plain(url)
    opener = urllib.request.build_opener(OnlyToHttps)
    try:
        with opener.open(url, timeout=SILENCE) as response:
            content: bytes = response.read(LARGEST + 1)
    except HTTPError as error:
        with error:
            raise FetchError(refused(url, error.code)) from None
    except (OSError, HTTPException) as error:
        raise OutOfReachError(f"{url} cannot be had: {getattr(error, 'reason', error)}.") from None
    if len(content) > LARGEST:
        raise FetchError(f"{url} is larger than {LARGEST >> 20} MiB: it is not what its name says.")
    return content


class OnlyToHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(  # noqa: PLR0917  # as urllib calls it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """The next request. Raises `FetchError` if it would leave TLS."""
        refuse_plain(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def refuse_plain(url: str) -> None:
    """Raise `FetchError` for what is not https."""
    if not url.startswith("https://"):
        raise FetchError(f"{url} is not https: anyone on the way could have written what it holds.")


def refused(url: str, code: int) -> str:
    """What to say of a status that is none of success."""
    if code == 404:
        return f"{url} does not exist. Is k3s.version a release of K3s, and has the mirror, if there is one, this file?"
    return f"{url} was refused with HTTP status {code}: try again later, or ask another source."
