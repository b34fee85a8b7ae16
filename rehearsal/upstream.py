"""Pull-through cache of image registries, which all rehearsed labs share, and which stores content by digest.

The lab's network has no route to the Internet, so threads in the host's network send the requests to registries.
"""

import hashlib
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeVar

from provider.charts import oci
from provider.download import USER_AGENT, url_opener
from provider.errors import TaskError
from rehearsal import image_cache
from rehearsal.cache import write_atomically
from rehearsal.download import CONNECT_TIMEOUT, UnreachableError
from rehearsal.images import INDEX, MANIFEST
from rehearsal.network_namespace import enter
from rehearsal.retries import DOWNLOAD_PATIENCE, http_error, with_retries

HUB, HUB_HOST = "docker.io", "registry-1.docker.io"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest"
ACCEPT = ", ".join((INDEX, MANIFEST, f"{DOCKER_MANIFEST}.list.v2+json", f"{DOCKER_MANIFEST}.v2+json"))
READ_TIMEOUT = 15.0  # seconds without data until a request times out
BLOCK_BYTES = 1 << 20
MAX_REQUESTS = 8
RETRY_AFTER = 60.0  # seconds until an unreachable or busy registry is queried for an image again
EXISTENCE_PATIENCE = 5.0  # seconds that a query waits for a busy registry, because a pod's admission waits meanwhile

T = TypeVar("T")
_OPENER = url_opener()


class Existence(StrEnum):
    """Whether an image exists in its registry, or is private."""

    YES = "yes"
    NO = "no"
    PRIVATE = "private"


@dataclass(frozen=True)
class Blob:
    """A manifest or blob in the image cache: file, digest and media type."""

    file: Path
    digest: str
    media_type: str


def reachable(registry: str = HUB) -> bool:
    """Return whether the host can reach an image registry."""
    try:
        _open(f"{_base(registry)}/", {}, timeout=CONNECT_TIMEOUT).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, HTTPException, TaskError):
        return False
    return True


@dataclass
class Upstream:
    """An anonymous client for all image registries; `run_outside` runs a function in the host's network."""

    folder: Path
    run_outside: Callable[[Callable[[], T]], T]
    _existence: dict[str, Existence] = field(default_factory=dict)
    _failures: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Time and cause of the last failure to reach a registry, by registry."""
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def existence(self, registry: str, repository: str, reference: str) -> Existence:
        """Return whether an image registry has the image, and cache the result. Raises UnreachableError."""
        url = f"{_base(registry)}/{repository}/manifests/{reference}"
        if url not in self._existence and self._tagged(url):
            self._existence[url] = Existence.YES
        if url not in self._existence:
            failed_at, cause = self._failures.get(registry, (-RETRY_AFTER, ""))
            if time.monotonic() - failed_at < RETRY_AFTER:
                raise UnreachableError(cause)
            self._existence[url] = self._asked(url, registry)
        return self._existence[url]

    def manifest(self, registry: str, repository: str, reference: str) -> Blob | None:
        """Return a manifest or index. Raises UnreachableError.

        While the registry is unreachable, return the cached manifest of the image tag.
        """
        url = f"{_base(registry)}/{repository}/manifests/{reference}"
        if reference.startswith("sha256:"):
            return self._stored(reference) or self._fetched(url, reference)
        try:
            fetched = self._fetched(url, reference)
        except UnreachableError:
            if stored := self._tagged(url):
                return stored
            raise
        if fetched:
            write_atomically(self._tag(url), fetched.digest)
        return fetched

    def blob(self, registry: str, repository: str, digest: str) -> Blob | None:
        """Return a blob: an image layer or an image configuration. Raises UnreachableError."""
        with self._locks.setdefault(digest, threading.Lock()):
            return self._stored(digest) or self._fetched(f"{_base(registry)}/{repository}/blobs/{digest}", digest)

    def _tag(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()}.tag"

    def _tagged(self, url: str) -> Blob | None:
        """Return the manifest from the last download of an image tag, or None if the cache has no such manifest."""
        tag = self._tag(url)
        digest = tag.read_text() if image_cache.is_cached(tag) else ""
        return self._stored(digest) if digest else None

    def _asked(self, url: str, registry: str) -> Existence:
        def request() -> None:
            _open(url, {"Accept": ACCEPT}, "HEAD", CONNECT_TIMEOUT).close()

        try:
            self.run_outside(lambda: with_retries(request, EXISTENCE_PATIENCE))
        except (OSError, HTTPException, TaskError) as error:
            answers = {401: Existence.PRIVATE, 403: Existence.PRIVATE, 404: Existence.NO}
            answer = http_error(error)
            if answer and answer.code in answers:
                answer.close()
                return answers[answer.code]
            cause = f"answers {answer.code} {answer.reason}" if answer else f"cannot be reached ({_cause(error)})"
            if not answer or answer.code == HTTPStatus.TOO_MANY_REQUESTS:
                self._failures[registry] = time.monotonic(), f"{registry} {cause}"
            raise UnreachableError(f"{registry} {cause}") from error
        return Existence.YES

    def _fetched(self, url: str, reference: str) -> Blob | None:
        try:
            return self.run_outside(lambda: with_retries(lambda: self._fetch(url, reference), DOWNLOAD_PATIENCE))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise UnreachableError(f"{url}: {error}") from error
        except (OSError, HTTPException, TaskError) as error:
            raise UnreachableError(f"{url}: {error}") from error

    def _fetch(self, url: str, reference: str) -> Blob:
        """Download `url` and store the content by digest; fail if the digest differs from a digest in `reference`."""
        part = self.folder / f".{os.getpid()}-{threading.get_ident()}.part"
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with _open(url, {"Accept": ACCEPT}) as response, part.open("wb") as output:
                kind = response.headers.get("Content-Type", "application/octet-stream")
                digest = _copy(response, output.write, url)
            if reference.startswith("sha256:") and digest != reference:
                raise TaskError(f"the content has the digest {digest}, not the requested digest, and was discarded")
            write_atomically(_name(self.folder, digest).with_suffix(".json"), json.dumps({"kind": kind}))
            part.replace(_name(self.folder, digest))
        finally:
            part.unlink(missing_ok=True)
        return Blob(_name(self.folder, digest), digest, kind)

    def _stored(self, digest: str) -> Blob | None:
        file = _name(self.folder, digest)
        if not image_cache.is_cached(file):
            return None
        return Blob(file, digest, json.loads(file.with_suffix(".json").read_text())["kind"])


def runner_in(namespace: int) -> Callable[[Callable[[], T]], T]:
    """Return a function that runs a callable in a network namespace; `namespace` is the namespace's file descriptor."""
    threads = ThreadPoolExecutor(MAX_REQUESTS, initializer=enter, initargs=(namespace, "outside of the lab"))
    return lambda work: threads.submit(work).result()


def _cause(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(cause) or type(cause).__name__


def _base(registry: str) -> str:
    """Return the base URL of a registry's API: HTTP for a loopback registry (like containerd), HTTPS for all others."""
    scheme = "http" if re.match(r"(localhost|127\.[0-9.]+)(:|$)", registry) else "https"
    return f"{scheme}://{HUB_HOST if registry == HUB else registry}/v2"


def _name(kept: Path, digest: str) -> Path:
    return kept / digest.removeprefix("sha256:")


def _copy(response: HTTPResponse, write: Callable[[bytes], object], url: str) -> str:
    """Pass the body of an HTTP response to `write`, and return its digest. Raises TaskError for an incomplete body."""
    digest = hashlib.sha256()
    while block := response.read(BLOCK_BYTES):
        digest.update(block)
        write(block)
    if response.length:
        raise TaskError(f"{url} ended {response.length} bytes early")
    return f"sha256:{digest.hexdigest()}"


def _open(url: str, headers: Mapping[str, str], method: str = "GET", timeout: float = READ_TIMEOUT) -> HTTPResponse:
    """Open `url`, with an anonymous token if the registry requires a token.

    The target of a redirect does not receive the token, because the target can be another host.
    """
    request = urllib.request.Request(url, method=method)  # noqa: S310  # only http and https
    for name, value in {"User-Agent": USER_AGENT, **headers}.items():
        (request.add_unredirected_header if name == "Authorization" else request.add_header)(name, value)
    try:
        response: HTTPResponse = _OPENER.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        challenge = error.headers.get("WWW-Authenticate", "")
        if error.code != 401 or "Authorization" in headers or not challenge.lower().startswith("bearer"):
            raise
        error.close()
        return _open(url, {**headers, "Authorization": f"Bearer {oci.request_token(url, challenge)}"}, method, timeout)
    return response
