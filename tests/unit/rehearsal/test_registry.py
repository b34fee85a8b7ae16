"""The registry of images that are built here, asked over HTTP as containerd asks a mirror."""

import json
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal import cluster_requests, image_sources, images, registry, server
from rehearsal.image_sources import Choice, ImageSource
from rehearsal.images import Image, Layout
from tests.support.files_over_http import serve_files

NAME = "quay.io/metallb/speaker:v0.16.1"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    program, base = tmp_path / "speaker", tmp_path / "base.tar"
    program.write_bytes(b"speaks")
    program.chmod(0o755)
    with tarfile.open(base, "w") as tar:
        tar.add(program, "usr/bin/other")
    (tmp_path / "layout").mkdir()
    made = Image(NAME, {"/app/speaker": program}, ("/app/speaker", "run"), "26", base, {"LANG": "C.UTF-8"})
    return images.lay_out((made,), tmp_path / "layout", "amd64")


@pytest.fixture
def url(tmp_path: Path, layout: Layout) -> Iterator[str]:
    assert registry.offer(tmp_path / "state", [layout]) == ("quay.io/metallb/speaker:*",)
    (tmp_path / "mirror").mkdir()
    with serve_files(tmp_path / "mirror", tmp_path / "state") as address:
        yield address


def got(url: str, method: str = "GET") -> tuple[bytes, str, str]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
        headers = response.headers
        return response.read(), headers["Content-Type"], headers["Docker-Content-Digest"] or ""


def refused(url: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as error:
        got(url)
    error.value.close()
    return error.value.code


def test_an_image_is_pulled_by_any_tag(url: str) -> None:
    assert got(f"{url}/v2/")[0] == b"{}"
    for tag in ("v0.16.1", "v0.17.0"):
        content, kind, digest = got(f"{url}/v2/metallb/speaker/manifests/{tag}?ns=quay.io")
        assert (kind, got(f"{url}/v2/metallb/speaker/manifests/{digest}?ns=quay.io")[0]) == (images.MANIFEST, content)
    assert got(f"{url}/v2/metallb/speaker/manifests/v0.16.1?ns=quay.io", "HEAD")[0] == b""
    manifest = json.loads(content)
    config = json.loads(got(f"{url}/v2/metallb/speaker/blobs/{manifest['config']['digest']}?ns=quay.io")[0])
    assert config["config"]["Entrypoint"] == ["/app/speaker", "run"]
    assert (config["config"]["User"], config["config"]["Env"][1]) == ("26", "LANG=C.UTF-8")
    assert [layer["digest"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert len(manifest["layers"]) == 2


def test_each_built_version_of_an_image_is_pulled_by_its_own_tag(tmp_path: Path) -> None:
    layouts = []
    for tag in ("1", "2"):
        program, folder = tmp_path / tag / "feeds", tmp_path / tag / "layout"
        folder.mkdir(parents=True)
        program.write_text(f"version {tag}")
        layouts.append(images.lay_out((Image.of(f"registry.example.com/feeds:{tag}", program),), folder, "amd64"))
    assert registry.offer(tmp_path, layouts) == ("registry.example.com/feeds:*",) * 2
    expected = {
        tag: layout.images[f"registry.example.com/feeds:{tag}"] for tag, layout in zip("12", layouts, strict=True)
    }
    for tag, version in (("1", "1"), ("2", "2"), ("3", "1")):
        found = registry.find(f"/v2/feeds/manifests/{tag}?ns=registry.example.com", tmp_path)
        assert found is not None
        assert found.digest == expected[version]["digest"]


@pytest.mark.parametrize(
    "path",
    [
        "metallb/speaker/manifests/v0.16.1?ns=docker.io",
        "metallb/controller/manifests/v0.16.1?ns=quay.io",
        "metallb/speaker/manifests/sha256:" + "0" * 64,
        "metallb/speaker/blobs/../../index.json",
        "metallb/speaker/blobs/sha256:..",
    ],
)
def test_nothing_else_is_there(url: str, path: str) -> None:
    assert refused(f"{url}/v2/{path}") == 404


def test_what_is_offered_may_change(url: str, tmp_path: Path) -> None:
    registry.offer(tmp_path / "state", [])
    assert refused(f"{url}/v2/metallb/speaker/manifests/v0.16.1?ns=quay.io") == 404


def test_pods_with_an_offered_image_stay(tmp_path: Path, layout: Layout) -> None:
    def patched(image: str) -> bool:
        pod = {"spec": {"containers": [{"name": "a", "image": image}]}}
        review = {"apiVersion": "v1", "kind": "AdmissionReview", "request": {"uid": "u", "object": pod}}
        answer = cluster_requests.answer_review(cluster_requests.PODS_PATH, review, tmp_path)
        assert answer
        return "patch" in answer["response"]

    server.write_image_list(tmp_path, registry.offer(tmp_path, [layout]))
    assert not patched("quay.io/metallb/speaker:v0.17.0")
    assert not patched(NAME)
    assert patched(f"quay.io/metallb/speaker@sha256:{'0' * 64}")
    assert patched("quay.io/metallb/controller:v0.16.1")
    assert image_sources.recorded(tmp_path)["quay.io/metallb/speaker:v0.17.0"].source is ImageSource.BUILT
    assert image_sources.recorded(tmp_path)["quay.io/metallb/controller:v0.16.1"].source is ImageSource.STAND_IN


def test_built_image_under_another_tag_is_not_real(tmp_path: Path, layout: Layout) -> None:
    registry.offer(tmp_path, [layout])
    for name, origin, real in (
        (NAME, "built here", True),
        ("quay.io/metallb/speaker:v0.17.0", "built here, v0.16.1 instead of v0.17.0", False),
    ):
        assert image_sources.origin_of(name, Choice(ImageSource.BUILT), tmp_path) == (origin, real)
    for source, real in ((ImageSource.NETWORK, True), (ImageSource.STAND_IN, False)):
        assert image_sources.origin_of("docker.io/library/redis:8", Choice(source), tmp_path) == (source, real)
