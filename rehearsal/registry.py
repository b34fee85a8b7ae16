"""An OCI registry, read only: what machines pull the images from that are built here.

It answers as https://github.com/opencontainers/distribution-spec asks, to a client that names the registry it stands
for in the query (`?ns=quay.io`), as containerd does at a mirror.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from rehearsal.images import MANIFEST, Layout, full_name

PREFIX = "/v2/"
ANY_TAG = ":*"
LISTED = "layouts.txt"
"""In the folder of the lab's server: where the layouts are, one a line."""
_ASKED = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)$")


@dataclass(frozen=True)
class Found:
    """What the registry has under a path: its file, digest and media type."""

    file: Path
    digest: str
    kind: str


def offer(state: Path, layouts: Iterable[Layout]) -> tuple[str, ...]:
    """Have the server that keeps its files in `state` offer `layouts`; returns the names of their images.

    An image is offered under every tag: what is built here has one version.
    """
    layouts = tuple(layouts)
    state.mkdir(parents=True, exist_ok=True)
    (state / LISTED).write_text("".join(f"{layout.folder}\n" for layout in layouts))
    return tuple(f"{repository(name)}{ANY_TAG}" for layout in layouts for name in layout.images)


def find(url: str, state: Path) -> Found | None:
    """What a client gets that asks for `url`, a path with its query."""
    asked = _ASKED.match(urlsplit(url).path)
    if not asked:
        return None
    if asked["kind"] == "blobs" or asked["reference"].startswith("sha256:"):
        return _blob(asked["reference"], asked["kind"], state)
    registry = parse_qs(urlsplit(url).query).get("ns", ["docker.io"])[0]
    wanted = repository(full_name(f"{registry}/{asked['repository']}"))
    for layout in _layouts(state):
        for name, entry in layout.images.items():
            if repository(name) == wanted:
                return _blob(str(entry["digest"]), asked["kind"], state)
    return None


def repository(name: str) -> str:
    """A full name without its tag or digest."""
    return re.sub(r"[:@][^/]*$", "", name)


def _blob(digest: str, kind: str, state: Path) -> Found | None:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        return None
    files = (layout.blob(digest) for layout in _layouts(state))
    media = MANIFEST if kind == "manifests" else "application/octet-stream"
    return next((Found(file, digest, media) for file in files if file.is_file()), None)


def _layouts(state: Path) -> list[Layout]:
    listed = state / LISTED
    return [Layout(Path(line)) for line in listed.read_text().splitlines()] if listed.exists() else []
