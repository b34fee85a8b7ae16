"""Pull-through cache of image registries: manifests and blobs are stored by digest, for all labs.

The lab's network has no route out. Threads of the lab's server send the requests from this computer's own network.
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
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeVar

from provider.charts import oci
from provider.download import USER_AGENT, url_opener
from provider.errors import TaskError
from rehearsal.cache import root, write_whole
from rehearsal.download import REACH, OutOfReachError
from rehearsal.images import INDEX, MANIFEST
from rehearsal.namespace import enter

HUB, HUB_HOST = "docker.io", "registry-1.docker.io"
DOCKER = "application/vnd.docker.distribution.manifest"
ACCEPT = ", ".join((INDEX, MANIFEST, f"{DOCKER}.list.v2+json", f"{DOCKER}.v2+json"))
SILENCE = 15.0  # seconds without data until a request times out
BLOCK = 1 << 20
AT_ONCE = 8
FORGIVEN = 60.0  # seconds until an unreachable registry is queried for an image again

T = TypeVar("T")
_OPENER = url_opener()


class There(StrEnum):
    """A registry's answer about an image's existence."""

    YES = "yes"
    NO = "no"
    PRIVATE = "private"


@dataclass(frozen=True)
class Blob:
    """A stored manifest or blob: its file, digest and media type."""

    file: Path
    digest: str
    kind: str


def kept() -> Path:
    """Return the folder of the cache for all labs, which users may delete while no lab runs."""
    return root().parent / "registry"


def reachable(registry: str = HUB) -> bool:
    """Return whether this computer reaches the registry."""
    try:
        _open(f"{_base(registry)}/", {}, timeout=REACH).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, HTTPException, TaskError):
        return False
    return True


@dataclass
class Upstream:
    """All registries, queried anonymously; `outside` runs the requests outside the lab's network."""

    kept: Path
    outside: Callable[[Callable[[], T]], T]
    _there: dict[str, There] = field(default_factory=dict)
    _silent: dict[str, float] = field(default_factory=dict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)

    def there(self, registry: str, repository: str, reference: str) -> There:
        """Return whether the registry has the image; the answer is cached. Raises OutOfReachError."""
        url = f"{_base(registry)}/{repository}/manifests/{reference}"
        if url not in self._there and self._tagged(url):
            self._there[url] = There.YES
        if url not in self._there:
            if time.monotonic() - self._silent.get(registry, -FORGIVEN) < FORGIVEN:
                raise OutOfReachError(f"{registry} was unreachable less than {FORGIVEN:.0f} s ago")
            try:
                self._there[url] = self._asked(url)
            except OutOfReachError:
                self._silent[registry] = time.monotonic()
                raise
        return self._there[url]

    def manifest(self, registry: str, repository: str, reference: str) -> Blob | None:
        """Return a manifest or index: a tag's current one, or its last one while the registry is unreachable.

        Raises OutOfReachError.
        """
        url = f"{_base(registry)}/{repository}/manifests/{reference}"
        if reference.startswith("sha256:"):
            return self._kept(reference) or self._fetched(url, reference)
        try:
            fetched = self._fetched(url, reference)
        except OutOfReachError:
            if stored := self._tagged(url):
                return stored
            raise
        if fetched:
            write_whole(self._tag(url), fetched.digest)
        return fetched

    def blob(self, registry: str, repository: str, digest: str) -> Blob | None:
        """Return a layer or an image configuration. Raises OutOfReachError."""
        with self._locks.setdefault(digest, threading.Lock()):
            return self._kept(digest) or self._fetched(f"{_base(registry)}/{repository}/blobs/{digest}", digest)

    def _tag(self, url: str) -> Path:
        return self.kept / f"{hashlib.sha256(url.encode()).hexdigest()}.tag"

    def _tagged(self, url: str) -> Blob | None:
        """Return the manifest that the tag had when it was last fetched; None if it is not stored."""
        tag = self._tag(url)
        digest = tag.read_text() if tag.exists() else ""
        return self._kept(digest) if digest else None

    def _asked(self, url: str) -> There:
        try:
            self.outside(lambda: _open(url, {"Accept": ACCEPT}, "HEAD", REACH).close())
        except urllib.error.HTTPError as error:
            error.close()
            answers = {401: There.PRIVATE, 403: There.PRIVATE, 404: There.NO}
            if error.code not in answers:
                raise OutOfReachError(f"{url}: {error}") from error
            return answers[error.code]
        except (OSError, HTTPException, TaskError) as error:
            raise OutOfReachError(f"{url}: {error}") from error
        return There.YES

    def _fetched(self, url: str, reference: str) -> Blob | None:
        try:
            return self.outside(lambda: self._fetch(url, reference))
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise OutOfReachError(f"{url}: {error}") from error
        except (OSError, HTTPException, TaskError) as error:
            raise OutOfReachError(f"{url}: {error}") from error

    def _fetch(self, url: str, reference: str) -> Blob:
        """Download `url` and store it by its digest, which must equal `reference` if that is a digest."""
        part = self.kept / f".{os.getpid()}-{threading.get_ident()}.part"
        self.kept.mkdir(parents=True, exist_ok=True)
        try:
            with _open(url, {"Accept": ACCEPT}) as response, part.open("wb") as output:
                kind = response.headers.get("Content-Type", "application/octet-stream")
                digest = _copy(response, output.write, url)
            if reference.startswith("sha256:") and digest != reference:
                raise TaskError(f"its content has the digest {digest}, not the requested one; it was discarded")
            write_whole(_name(self.kept, digest).with_suffix(".json"), json.dumps({"kind": kind}))
            part.replace(_name(self.kept, digest))
        finally:
            part.unlink(missing_ok=True)
        return Blob(_name(self.kept, digest), digest, kind)

    def _kept(self, digest: str) -> Blob | None:
        file = _name(self.kept, digest)
        if not file.exists():
            return None
        return Blob(file, digest, json.loads(file.with_suffix(".json").read_text())["kind"])


def outside(namespace: int) -> Callable[[Callable[[], T]], T]:
    """Return a function that runs work in threads in the network namespace of a file descriptor."""
    threads = ThreadPoolExecutor(AT_ONCE, initializer=enter, initargs=(namespace, "outside of the lab"))
    return lambda work: threads.submit(work).result()


def _base(registry: str) -> str:
    """Return the base URL of a registry's API: HTTP for registries on loopback, as containerd does, else HTTPS."""
    scheme = "http" if re.match(r"(localhost|127\.[0-9.]+)(:|$)", registry) else "https"
    return f"{scheme}://{HUB_HOST if registry == HUB else registry}/v2"


def _name(kept: Path, digest: str) -> Path:
    return kept / digest.removeprefix("sha256:")


def _copy(response: HTTPResponse, write: Callable[[bytes], object], url: str) -> str:
    """Write the response's body; return its digest. Raises TaskError if the connection ends early."""
    digest = hashlib.sha256()
    while block := response.read(BLOCK):
        digest.update(block)
        write(block)
    if response.length:
        raise TaskError(f"{url} ended {response.length} bytes early")
    return f"sha256:{digest.hexdigest()}"


def _open(url: str, headers: Mapping[str, str], method: str = "GET", timeout: float = SILENCE) -> HTTPResponse:
    """Open `url`, with an anonymous token if the registry requires one. Redirects do not get the token."""
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
