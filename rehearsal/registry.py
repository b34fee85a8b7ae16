"""A read-only OCI registry for the machines, with locally built images and cached images of other registries.

The registry implements https://github.com/opencontainers/distribution-spec for clients that, like containerd, send the
mirrored registry's name in the query (`?ns=quay.io`).
"""

import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from rehearsal.cache import write_atomically
from rehearsal.images import MANIFEST, Layout, full_name
from rehearsal.upstream import HUB, Blob, Upstream

PREFIX = "/v2/"
ANY_TAG = ":*"
LAYOUTS_FILE = "layouts.txt"
"""File in the folder of the lab's server: the paths of image layouts, one per line."""
REPOSITORIES_FILE = "repositories.txt"
"""File in the folder of the lab's server: the repositories with allowed pulls, one per line."""
_HOST = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?")
_ASKED = re.compile(r"^/v2/(?P<repository>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)$")


def offer(state: Path, layouts: Iterable[Layout]) -> tuple[str, ...]:
    """Make the rehearsal's registry serve the images of `layouts`, and return the names of these images.

    The registry serves each built image under every tag, because the rehearsal builds one version of most images. If
    the rehearsal has built several versions of an image, the registry serves each version under its own tag.
    """
    layouts = tuple(layouts)
    state.mkdir(parents=True, exist_ok=True)
    write_atomically(state / LAYOUTS_FILE, "".join(f"{layout.folder}\n" for layout in layouts))
    return tuple(f"{repository_of(name)}{ANY_TAG}" for layout in layouts for name in layout.images)


def find(url: str, state: Path, upstream: Upstream | None = None) -> Blob | None:
    """Return the manifest or blob at `url` (path and query), or None if it does not exist. Raises UnreachableError."""
    request = _ASKED.match(urlsplit(url).path)
    if not request:
        return None
    registry = parse_qs(urlsplit(url).query).get("ns", [HUB])[0]
    path, kind, reference = request["repository"], request["kind"], request["reference"]
    if not _is_reference(reference) or (kind == "blobs" and not reference.startswith("sha256:")):
        return None
    built = _built(f"{registry}/{path}", kind, reference, state)
    if built or not upstream or not _HOST.fullmatch(registry) or f"{registry}/{path}" not in _asked_for(state):
        return built
    return (upstream.manifest if kind == "manifests" else upstream.blob)(registry, path, reference)


def allow_pulls(name: str, state: Path) -> None:
    """Allow the simulated machines to pull images from the repository of the image `name`."""
    if repository_of(name) not in _asked_for(state):
        write_atomically(
            state / REPOSITORIES_FILE,
            "".join(f"{line}\n" for line in sorted({*_asked_for(state), repository_of(name)})),
        )


def _asked_for(state: Path) -> set[str]:
    listed = state / REPOSITORIES_FILE
    return set(listed.read_text().split()) if listed.exists() else set()


def split_name(name: str) -> tuple[str, str, str]:
    """Split a full image name into registry, repository, and digest (or tag if the image name has no digest)."""
    registry, _, rest = name.partition("/")
    tagged, _, digest = rest.partition("@")
    path = repository_of(tagged)
    return registry, path, digest or tagged[len(path) + 1 :]


def repository_of(name: str) -> str:
    """Remove the tag and the digest from a full image name."""
    return re.sub(r":[^/]*$", "", name.partition("@")[0])


def built_name(name: str, state: Path) -> str | None:
    """Return the full name of the locally built image that the registry serves as `name`, whose tag may differ."""
    wanted = full_name(name)
    images = (image for layout in _layouts(state) for image in layout.images)
    versions = [image for image in images if repository_of(image) == repository_of(wanted)]
    return wanted if wanted in versions else next(iter(versions), None)


def _built(name: str, kind: str, reference: str, state: Path) -> Blob | None:
    if kind == "blobs" or reference.startswith("sha256:"):
        return _blob(reference, kind, state)
    found = built_name(f"{name}:{reference}", state)
    images = {image: descriptor for layout in _layouts(state) for image, descriptor in layout.images.items()}
    return _blob(str(images[found]["digest"]), kind, state) if found else None


def _is_reference(text: str) -> bool:
    return bool(re.fullmatch(r"sha256:[0-9a-f]{64}|[\w][\w.-]{0,127}", text))


def _blob(digest: str, kind: str, state: Path) -> Blob | None:
    files = (layout.blob(digest) for layout in _layouts(state))
    media = MANIFEST if kind == "manifests" else "application/octet-stream"
    return next((Blob(file, digest, media) for file in files if file.is_file()), None)


def _layouts(state: Path) -> list[Layout]:
    listed = state / LAYOUTS_FILE
    return [Layout(Path(line)) for line in listed.read_text().splitlines()] if listed.exists() else []
