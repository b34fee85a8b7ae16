"""Repeats HTTP requests to servers that are busy or fail for a short time, such as with the status 429 or 503."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar
from urllib.error import HTTPError

TEMPORARY = frozenset(
    [
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    ]
)
"""Temporary statuses: after such an HTTP status, a later request may succeed."""
FIRST_DELAY = 1.0  # seconds before the first repetition, if the server sends no Retry-After; each next delay doubles
DOWNLOAD_PATIENCE = 60.0  # seconds that a download waits for a server that answers with a temporary status

T = TypeVar("T")


def with_retries(request: Callable[[], T], patience: float) -> T:
    """Return the result of `request`; repeat `request` while a server answers with a temporary status.

    Before each repetition, the function waits as long as the header Retry-After demands. If all waits together would
    exceed `patience` (in seconds), raise the error of the last request.
    """
    delay = FIRST_DELAY
    while True:
        try:
            return request()
        except Exception as error:
            answer = http_error(error)
            if answer is None or answer.code not in TEMPORARY:
                raise
            pause = max(_retry_after(answer) or delay, FIRST_DELAY)
            if pause > patience:
                raise
            answer.close()
        time.sleep(pause)
        patience -= pause
        delay *= 2


def http_error(error: BaseException) -> HTTPError | None:
    """Return the HTTP error that `error` is, or that caused `error`; None if no HTTP server answered."""
    while not isinstance(error, HTTPError):
        if error.__cause__ is None:
            return None
        error = error.__cause__
    return error


def _retry_after(answer: HTTPError) -> float | None:
    """Return the seconds that the header Retry-After demands, which has a number or a date; None without the header."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
