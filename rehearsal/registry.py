"""An OCI registry, read only: machines pull from it what is built here, and what it gets from registries itself.

It answers as https://github.com/opencontainers/distribution-spec asks, to a client that names the registry it stands
for in the query (`?ns=quay.io`), as containerd does at a mirror.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from rehearsal.cache import write_whole
from rehearsal.images import MANIFEST, Layout, full_name
from rehearsal.upstream import HUB, Blob, Upstream

PREFIX = "/v2/"
ANY_TAG = ":*"
LISTED = "layouts.txt"
"""In the folder of the lab's server: where the layouts are, one a line."""
ASKED_FOR = "repositories.txt"
"""There, too: the repositories that the lab may ask for at their registries, one a line."""
_HOST = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?")
_ASKED = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)$")


def offer(state: Path, layouts: Iterable[Layout]) -> tuple[str, ...]:
    """Have the server that keeps its files in `state` offer `layouts`; returns the names of their images.

    An image is offered under every tag: what is built here has one version.
    """
    layouts = tuple(layouts)
    state.mkdir(parents=True, exist_ok=True)
    write_whole(state / LISTED, "".join(f"{layout.folder}\n" for layout in layouts))
    return tuple(f"{repository(name)}{ANY_TAG}" for layout in layouts for name in layout.images)


def find(url: str, state: Path, upstream: Upstream | None = None) -> Blob | None:
    """What a client gets that asks for `url`, a path with its query. Raises OutOfReachError."""
    asked = _ASKED.match(urlsplit(url).path)
    if not asked:
        return None
    registry = parse_qs(urlsplit(url).query).get("ns", [HUB])[0]
    path, kind, reference = asked["repository"], asked["kind"], asked["reference"]
    if not _is_reference(reference) or (kind == "blobs" and not reference.startswith("sha256:")):
        return None
    found = _built(f"{registry}/{path}", kind, reference, state)
    if found or not upstream or not _HOST.fullmatch(registry) or f"{registry}/{path}" not in _asked_for(state):
        return found
    return (upstream.manifest if kind == "manifests" else upstream.blob)(registry, path, reference)


def ask_for(name: str, state: Path) -> None:
    """Let the repository of an image be asked for at its registry, because a pod has it."""
    if repository(name) not in _asked_for(state):
        write_whole(state / ASKED_FOR, "".join(f"{each}\n" for each in sorted({*_asked_for(state), repository(name)})))


def _asked_for(state: Path) -> set[str]:
    listed = state / ASKED_FOR
    return set(listed.read_text().split()) if listed.exists() else set()


def split(name: str) -> tuple[str, str, str]:
    """Registry, repository, and tag or digest of a full name; of both the digest."""
    registry, _, rest = name.partition("/")
    tagged, _, digest = rest.partition("@")
    path = repository(tagged)
    return registry, path, digest or tagged[len(path) + 1 :]


def repository(name: str) -> str:
    """A full name without its tag and digest."""
    return re.sub(r":[^/]*$", "", name.partition("@")[0])


def _built(name: str, kind: str, reference: str, state: Path) -> Blob | None:
    if kind == "blobs" or reference.startswith("sha256:"):
        return _blob(reference, kind, state)
    wanted = repository(full_name(name))
    found = (entry for layout in _layouts(state) for each, entry in layout.images.items() if repository(each) == wanted)
    entry = next(found, None)
    return _blob(str(entry["digest"]), kind, state) if entry else None


def _is_reference(text: str) -> bool:
    return bool(re.fullmatch(r"sha256:[0-9a-f]{64}|[\w][\w.-]{0,127}", text))


def _blob(digest: str, kind: str, state: Path) -> Blob | None:
    files = (layout.blob(digest) for layout in _layouts(state))
    media = MANIFEST if kind == "manifests" else "application/octet-stream"
    return next((Blob(file, digest, media) for file in files if file.is_file()), None)


def _layouts(state: Path) -> list[Layout]:
    listed = state / LISTED
    return [Layout(Path(line)) for line in listed.read_text().splitlines()] if listed.exists() else []
