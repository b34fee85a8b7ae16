"""Container images made here, in archives that containerd imports."""

import hashlib
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

from rehearsal.archive import Packer, packed, unpacked

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"
NOBODY = "65535:65535"  # a number, so that a pod that must not run as root may run


@dataclass(frozen=True)
class Image:
    """One static program under a name, at `/<program's name>`."""

    name: str
    program: Path
    user: str = ""


def write(images: tuple[Image, ...], target: Path, architecture: str) -> None:
    """Pack `images` into one OCI archive (.tar.zst); the same programs always give the same bytes."""
    blobs: dict[str, bytes] = {}
    manifests = [_add(image, architecture, blobs) for image in images]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    with packed(target) as packer:
        packer.content("oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        packer.content("index.json", _json(index))
        for digest, blob in sorted(blobs.items()):
            packer.content(f"blobs/{digest.replace(':', '/')}", blob)


def names(archive: Path) -> tuple[str, ...]:
    """The full names of the images in an OCI or Docker archive (.tar.zst)."""
    with unpacked(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.name in ("index.json", "manifest.json") else None
            if content:
                return tuple(dict.fromkeys(full_name(name) for name in _listed(json.load(content))))
    return ()


def full_name(name: str) -> str:
    """The name containerd knows an image by: with its registry and its tag or digest."""
    first, slash, _ = name.partition("/")
    if not slash:
        name = f"docker.io/library/{name}"
    elif not re.search(r"[.:]|^localhost$", first):
        name = f"docker.io/{name}"
    return name if re.search(r"[:@][^/]*$", name) else f"{name}:latest"


def _add(image: Image, architecture: str, blobs: dict[str, bytes]) -> dict[str, object]:
    layer = _layer(image.program)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/{image.program.name}"], "User": image.user, "Env": ["PATH=/"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _keep(_json(config), CONFIG, blobs),
        "layers": [_keep(layer, LAYER, blobs)],
    }
    platform = {"architecture": architecture, "os": "linux"}
    return _keep(_json(manifest), MANIFEST, blobs) | {"platform": platform, "annotations": {NAME: image.name}}


def _layer(program: Path) -> bytes:
    layer = io.BytesIO()
    packer = Packer(layer)
    for folder in ("etc", "tmp"):
        packer.folder(folder, 0o1777 if folder == "tmp" else 0o755)
    packer.file(program.name, program)
    packer.close()
    return layer.getvalue()


def _keep(blob: bytes, kind: str, blobs: dict[str, bytes]) -> dict[str, object]:
    blobs[_digest(blob)] = blob
    return {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}


def _listed(content: object) -> list[str]:
    if isinstance(content, dict):  # index.json of an OCI archive
        found = (entry.get("annotations", {}).get(NAME) for entry in content["manifests"])
        return [name for name in found if name]
    assert isinstance(content, list)  # manifest.json of a Docker archive
    return [name for entry in content for name in entry["RepoTags"] or ()]


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
