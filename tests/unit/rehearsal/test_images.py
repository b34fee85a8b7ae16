"""Image archives, and the mirror they are laid out in."""

import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rehearsal import artefacts, cache, images, k3s, recipes
from rehearsal.archive import unpacked
from rehearsal.images import Image
from rehearsal.shell import RehearsalError
from tests.unit.rehearsal.test_tools import k3s_release

pytestmark = pytest.mark.skipif(not shutil.which("zstd"), reason="needs the program zstd")
VERSION = "v1.35.0+k3s1"
AMD64 = artefacts.HOST == "amd64"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = tmp_path / "pause"
    made.write_bytes(b"\x7fELF sleeps")
    return made


def contents(archive: Path) -> dict[str, bytes]:
    with unpacked(archive) as tar:
        return {member.name: read.read() for member in tar if member.isfile() and (read := tar.extractfile(member))}


def test_same_programs_give_the_same_bytes(tmp_path: Path, program: Path) -> None:
    listed = (Image.of("docker.io/rancher/mirrored-pause:3.6", program),)
    images.write_archive(listed, tmp_path / "one.tar.zst", "amd64")
    program.touch()
    images.write_archive(listed, tmp_path / "two.tar.zst", "amd64")
    assert (tmp_path / "one.tar.zst").read_bytes() == (tmp_path / "two.tar.zst").read_bytes()


def test_archive_is_an_oci_layout(tmp_path: Path, program: Path) -> None:
    listed = (Image.of("homelab.local/pause:1", program, "65535:65535"), Image.of("homelab.local/again:1", program))
    images.write_archive(listed, tmp_path / "a.tar.zst", "arm64")
    found = contents(tmp_path / "a.tar.zst")
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    blobs = {name.removeprefix("blobs/sha256/"): blob for name, blob in found.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(blob).hexdigest() == digest for digest, blob in blobs.items())
    entry = json.loads(found["index.json"])["manifests"][0]
    assert entry["annotations"] == {"io.containerd.image.name": "homelab.local/pause:1"}

    def blob(descriptor: dict[str, object]) -> bytes:
        content = blobs[str(descriptor["digest"]).removeprefix("sha256:")]
        assert descriptor["size"] == len(content)
        return content

    manifest = json.loads(blob(entry))
    config, layer = json.loads(blob(manifest["config"])), blob(manifest["layers"][0])
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert config["config"]["User"] == "65535:65535"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("pause").mode == 0o755
        read = tar.extractfile("pause")
        assert read
        assert read.read() == program.read_bytes()
    assert images.image_names(tmp_path / "a.tar.zst") == ("homelab.local/pause:1", "homelab.local/again:1")


def test_program_with_two_names_is_packed_once(tmp_path: Path, program: Path) -> None:
    image = Image("homelab.local/two:1", {"/manager": program, "/operator/manager": program}, ("/manager",))
    layout = images.lay_out((image,), tmp_path / "layout", "amd64")
    manifest = json.loads(layout.blob(str(layout.images[image.name]["digest"])).read_text())
    with tarfile.open(layout.blob(manifest["layers"][0]["digest"])) as tar:
        assert tar.getmember("operator/manager").linkname == "manager"
        read = tar.extractfile("operator/manager")
        assert read
        assert read.read() == program.read_bytes()


def test_names_in_a_docker_archive(tmp_path: Path) -> None:
    content = json.dumps([{"RepoTags": ["rancher/one:1", "two"]}, {"RepoTags": None}]).encode()
    plain = tmp_path / "a.tar"
    with tarfile.open(plain, "w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    subprocess.run(["zstd", "-q", plain], check=True)
    assert images.image_names(tmp_path / "a.tar.zst") == ("docker.io/rancher/one:1", "docker.io/library/two:latest")


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.tar.zst").write_bytes(b"nothing of the kind")
    with pytest.raises(RehearsalError, match=r"a\.tar\.zst cannot be read as a \.tar\.zst"):
        images.image_names(tmp_path / "a.tar.zst")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("rancher/pause:3.6", "docker.io/rancher/pause:3.6"),
        ("docker.io/traefik:v3", "docker.io/library/traefik:v3"),
        ("registry.lan/web", "registry.lan/web:latest"),
        ("localhost:5000/web:1", "localhost:5000/web:1"),
        ("localhost/web", "localhost/web:latest"),
        ("quay.io/a/b@sha256:0f", "quay.io/a/b@sha256:0f"),
    ],
)
def test_full_names(name: str, full: str) -> None:
    assert images.full_name(name) == full


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which all that is built is there already, in a few bytes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for recipe in (recipes.pause(), recipes.podinfo(), recipes.coredns(), recipes.metrics_server()):
        recipe.folder.mkdir(parents=True)
        (recipe.folder / recipe.name).write_bytes(recipe.name.encode())
    for version in (VERSION, "v1.36.3+k3s1"):
        folder = k3s.program(version, print).folder
        folder.mkdir()
        (folder / "k3s").write_bytes(b"binary")
        (folder / "install.sh").write_bytes(b"installer")
    assert cache.root().is_relative_to(tmp_path)
    return tmp_path


def sums(listing: Path) -> dict[str, str]:
    return {name: digest for digest, name in (line.split() for line in listing.read_text().splitlines())}


def test_mirror_is_laid_out_as_a_release(built: Path) -> None:
    made = artefacts.lay_out(built / "mirror", VERSION, print)
    folder = built / "mirror" / VERSION
    assert made.folder == folder
    for arch, binary in (("amd64", "k3s"), ("arm64", "k3s-arm64"), ("arm", "k3s-armhf")):
        listing = folder / f"sha256sum-{arch}.txt"
        assert sums(listing).keys() == {binary, f"k3s-airgap-images-{arch}.tar.zst"}
        for name, digest in sums(listing).items():
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
        assert made.pins[arch] == hashlib.sha256(listing.read_bytes()).hexdigest()
        assert (folder / binary).read_bytes().startswith(b"binary")
    assert len({(folder / binary).read_bytes() for binary in ("k3s", "k3s-arm64", "k3s-armhf")}) == 3
    assert made.pins["installer"] == hashlib.sha256((folder / "install.sh").read_bytes()).hexdigest()
    assert sums(folder / "install.sh.sha256sum") == {"install.sh": made.pins["installer"]}
    assert made.images == (
        artefacts.PAUSE,
        artefacts.COREDNS,
        artefacts.METRICS_SERVER,
        artefacts.KLIPPER_LB,
        "homelab.local/pause:1",
        artefacts.PODINFO,
    )
    assert made.extra == ()


def test_rows_say_when_a_version_is_only_a_label(built: Path) -> None:
    real = artefacts.lay_out(built / "mirror", VERSION, print).rows[0]
    label = artefacts.lay_out(built / "mirror", "v1.36.3+k3s1", print).rows[0]
    assert (real.real, label.real) == (True, False)
    assert label.origin.endswith(f"{VERSION}, labelled v1.36.3+k3s1")


@pytest.mark.skipif(not AMD64, reason="the stand-in files are those of an amd64 release")
def test_bundle_brings_its_own_images(built: Path, program: Path) -> None:
    folder = built / "bundle" / VERSION
    k3s_release(folder)
    archive = folder / "k3s-airgap-images-amd64.tar.zst"
    images.write_archive((Image.of("docker.io/rancher/real:1", program),), archive, "amd64")
    listing = folder / "sha256sum-amd64.txt"
    listing.write_text(
        "".join(
            f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in ("k3s", archive.name)
        )
    )
    made = artefacts.lay_out(built / "mirror", VERSION, print, built / "bundle")
    assert (made.folder / archive.name).read_bytes() == archive.read_bytes()
    assert made.images == ("docker.io/rancher/real:1", "homelab.local/pause:1", artefacts.PODINFO)
    assert images.image_names(made.extra[0]) == ("homelab.local/pause:1", artefacts.PODINFO)
    assert made.rows[0].origin == f"bundle {built / 'bundle'}"


def test_k3s_data_is_what_its_front_program_checks(tmp_path: Path) -> None:
    for name in ("k3s", "containerd-shim-runc-v2", "check-config"):
        (tmp_path / name).write_bytes(name.encode())
    packed = k3s._pack(tmp_path)
    assert packed.name == f"{hashlib.sha256(packed.read_bytes()).hexdigest()}.tar.zst"
    with unpacked(packed) as tar:
        links = {member.name: member.linkname for member in tar if member.issym()}
    assert links["bin/kubectl"] == "k3s"
    found = contents(packed)
    for line in found["bin/.sha256sums"].decode().splitlines():
        digest, name = line.split()
        assert hashlib.sha256(found[f"bin/{name}"]).hexdigest() == digest
    listed = dict(line.split() for line in found["bin/.links"].decode().splitlines())
    assert {f"bin/{name}": target for name, target in listed.items()} == links
