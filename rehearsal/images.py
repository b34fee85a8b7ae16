"""Builds container images, as archives that containerd imports or as OCI layouts that the lab's registry serves."""

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.archive import Packer, packed, unpacked

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME_ANNOTATION = "io.containerd.image.name"
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/"
REVISION = "2"
"""Version of the packaging code; a new version makes cached images outdated."""
NOBODY = "65535:65535"  # numeric, because `runAsNonRoot` cannot verify user names

StoreBlob = Callable[[bytes | Path], tuple[str, int]]
"""Stores a blob; returns its digest and size."""


@dataclass(frozen=True)
class Image:
    """A container image with the full name `name`.

    `root` is a tar archive of a root file system. `files` maps absolute paths in the image to host files, which form a
    layer above `root`. `env` can override PATH.
    """

    name: str
    files: Mapping[str, Path]
    entrypoint: tuple[str, ...]
    user: str = ""
    root: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, program: Path, user: str = "") -> "Image":
        """Describe an image that contains one static program, at the path `/PROGRAM`."""
        path = f"/{program.name}"
        return cls(name, {path: program}, (path,), user)


@dataclass(frozen=True)
class Layout:
    """An OCI image layout on disk."""

    folder: Path

    @property
    def images(self) -> dict[str, dict[str, object]]:
        """The OCI descriptor of each image's manifest, by full image name."""
        listed = json.loads((self.folder / "index.json").read_text())["manifests"]
        return {entry["annotations"][NAME_ANNOTATION]: entry for entry in listed}

    def blob(self, digest: str) -> Path:
        """Return the path for the blob with the digest `sha256:…`, even if the blob does not exist."""
        return self.folder / "blobs" / digest.replace(":", "/")


def lay_out(images: tuple[Image, ...], folder: Path, architecture: str) -> Layout:
    """Write an OCI image layout of `images` into the empty `folder`."""
    layout = Layout(folder)
    layout.blob("sha256:").mkdir(parents=True)

    def keep(content: bytes | Path) -> tuple[str, int]:
        digest = _digest(content)
        if isinstance(content, bytes):
            layout.blob(digest).write_bytes(content)
        else:
            shutil.copyfile(content, layout.blob(digest))
        return digest, layout.blob(digest).stat().st_size

    manifests = [_add(image, architecture, keep) for image in images]
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_bytes(_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
    return layout


def write_archive(images: tuple[Image, ...], target: Path, architecture: str) -> None:
    """Write `images` to one reproducible OCI archive (.tar.zst)."""
    blobs: dict[str, bytes] = {}

    def keep(content: bytes | Path) -> tuple[str, int]:
        content = content if isinstance(content, bytes) else content.read_bytes()
        blobs[_digest(content)] = content
        return _digest(content), len(content)

    manifests = [_add(image, architecture, keep) for image in images]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    with packed(target) as packer:
        packer.content("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        packer.content("index.json", _json(index))
        for digest, blob in sorted(blobs.items()):
            packer.content(f"blobs/{digest.replace(':', '/')}", blob)


def image_names(archive: Path) -> tuple[str, ...]:
    """Return the full names of the images in an OCI or Docker archive (.tar.zst)."""
    with unpacked(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.name in ("index.json", "manifest.json") else None
            if content:
                return tuple(dict.fromkeys(full_name(name) for name in _listed(json.load(content))))
    return ()


def full_name(name: str) -> str:
    """Return the full image name, as containerd does: add the default registry and the tag `latest` if missing."""
    first, slash, rest = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif first == "docker.io" and "/" not in rest:
        name = f"docker.io/library/{rest}"
    elif not re.search(r"[.:]|^localhost$", first):
        name = f"docker.io/{name}"
    return name if re.search(r"[:@][^/]*$", name) else f"{name}:latest"


def _add(image: Image, architecture: str, keep: StoreBlob) -> dict[str, object]:
    root: list[bytes | Path] = [image.root] if image.root else []
    layers = [*root, _layer(image)]
    environment = {"PATH": DEFAULT_PATH, **image.env}
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "User": image.user,
            "Env": [f"{name}={value}" for name, value in environment.items()],
        },
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _described(_json(config), CONFIG, keep),
        "layers": [_described(layer, LAYER, keep) for layer in layers],
    }
    platform = {"architecture": architecture, "os": "linux"}
    return _described(_json(manifest), MANIFEST, keep) | {
        "platform": platform,
        "annotations": {NAME_ANNOTATION: image.name},
    }


def _layer(image: Image) -> bytes:
    layer = io.BytesIO()
    packer = Packer(layer)
    if not image.root:
        packer.folder("etc")
        packer.folder("tmp", 0o1777)
    names: dict[Path, str] = {}
    for path, source in sorted(image.files.items()):
        name = path.removeprefix("/")
        if source in names:
            packer.hard_link(name, names[source])
        else:
            packer.file(name, source)
            names[source] = name
    packer.close()
    return layer.getvalue()


def _described(content: bytes | Path, kind: str, keep: StoreBlob) -> dict[str, object]:
    digest, size = keep(content)
    return {"mediaType": kind, "digest": digest, "size": size}


def _listed(content: object) -> list[str]:
    if isinstance(content, dict):  # index.json of an OCI archive
        annotated = (entry.get("annotations", {}).get(NAME_ANNOTATION) for entry in content["manifests"])
        return [name for name in annotated if name]
    assert isinstance(content, list)  # manifest.json of a Docker archive
    return [name for entry in content for name in entry["RepoTags"] or ()]


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return f"sha256:{hashlib.sha256(content).hexdigest()}"
    with content.open("rb") as opened:
        return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}"


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
