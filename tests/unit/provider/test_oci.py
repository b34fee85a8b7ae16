"""Charts of a registry: by their digest, with the token that it gives to anybody."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provider.charts.oci import ARCHIVE_TYPE, MANIFEST_TYPE
from provider.charts.repository import fetch
from provider.errors import TaskError
from provider.model import Chart
from tests.support.chart_repository import CHART_FILES, pack_chart
from tests.support.files_over_https import ADDRESS, RangeHandler, Upstream, serve_upstream

GOOD, EVIL = pack_chart(CHART_FILES), pack_chart(CHART_FILES | {"web/templates/evil.yaml": "kind: ClusterRoleBinding"})
TOKEN = "Bearer anybody's"


def sha256(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


def publish(root: Path, archive: bytes = GOOD, tag: str = "1.10_1", **layer: str) -> None:
    folder = root / "v2/charts/web"
    for name in ("manifests", "blobs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    digest = f"sha256:{sha256(archive)}"
    layers = [{"mediaType": "other", "digest": "x"}, {"mediaType": ARCHIVE_TYPE, "digest": digest} | layer]
    (folder / "manifests" / tag).write_text(json.dumps({"layers": layers}))
    (folder / "blobs" / digest).write_bytes(archive)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    root = tmp_path / "registry"
    root.mkdir()
    publish(root)
    with serve_upstream(root, tmp_path / "tls", monkeypatch) as found:
        yield found


def chart(registry: Upstream, **changes: str) -> Chart:
    repository = registry.url.replace("https", "oci") + "/charts"
    return Chart(**{"name": "web", "version": "1.10+1", "repository": repository} | changes)


def failure(chart: Chart) -> str:
    with pytest.raises(TaskError) as caught:
        fetch(chart)
    return str(caught.value)


def test_archive_is_fetched_by_its_digest(registry: Upstream) -> None:
    url, archive = fetch(chart(registry))
    assert (url, archive) == (f"{registry.url}/v2/charts/web/blobs/sha256:{sha256(GOOD)}", GOOD)
    assert fetch(chart(registry, sha256=sha256(GOOD)))[1] == GOOD


def test_changed_chart_of_the_same_version_is_refused_with_both_sums(registry: Upstream) -> None:
    publish(registry.root, EVIL)
    said = failure(chart(registry, sha256=sha256(GOOD)))
    assert f"pinned sha256 {sha256(GOOD)}\nfound  sha256 {sha256(EVIL)}\n" in said


def test_blob_that_is_another(registry: Upstream) -> None:
    (registry.root / f"v2/charts/web/blobs/sha256:{sha256(GOOD)}").write_bytes(EVIL)
    assert f"does not have the sha256 of its digest; homelab did not use it.\nfound sha256 {sha256(EVIL)}" in failure(
        chart(registry)
    )


def test_missing_version_is_named(registry: Upstream) -> None:
    assert f"{registry.url}/v2/charts/web/manifests/2 answers 404" in failure(chart(registry, version="2"))


@pytest.mark.parametrize("digest", ["sha256:short", "sha512:" + "0" * 128, "../../etc/passwd"])
def test_digest_that_is_none(registry: Upstream, digest: str) -> None:
    publish(registry.root, digest=digest)
    assert "is not a Helm chart: the manifest has no layer with an archive" in failure(chart(registry))


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"layers": 1}', '{"layers": [1]}'])
def test_manifest_that_is_none(registry: Upstream, manifest: str) -> None:
    (registry.root / "v2/charts/web/manifests/1.10_1").write_text(manifest)
    assert "/v2/charts/web/manifests/1.10_1 " in failure(chart(registry))


def wants_a_token(monkeypatch: pytest.MonkeyPatch, challenge: str) -> list[tuple[str, str, str]]:
    """Have the registry want a token, and its blobs elsewhere; what was asked: path, token, accepted kind."""
    asked: list[tuple[str, str, str]] = []
    serve = RangeHandler.do_GET

    def answer(self: Any) -> None:
        given = self.headers.get("Authorization", "")
        asked.append((self.path, given, self.headers.get("Accept", "")))
        here = f"https://{ADDRESS}:{self.server.server_port}"
        if self.path.startswith("/token"):
            content = b'{"token": "anybody\'s"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        elif self.path.startswith("/v2/") and given != TOKEN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", challenge.format(here=here))
            self.end_headers()
        elif "/blobs/" in self.path and self.path.startswith("/v2/"):
            self.send_response(307)
            self.send_header("Location", f"{here}/store{self.path}")
            self.end_headers()
        else:
            self.path = self.path.removeprefix("/store")
            serve(self)

    monkeypatch.setattr(RangeHandler, "do_GET", answer)
    return asked


def test_token_is_fetched_and_told_to_nobody_else(registry: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = wants_a_token(monkeypatch, 'Bearer realm="{here}/token",service="lab",scope="repository:charts/web:pull"')
    assert fetch(chart(registry, sha256=sha256(GOOD)))[1] == GOOD
    assert [path for path, *_ in asked if path.startswith("/token")] == [
        "/token?service=lab&scope=repository%3Acharts%2Fweb%3Apull"
    ]
    assert all(accepted == MANIFEST_TYPE for path, _, accepted in asked if "/manifests/" in path)
    assert [given for path, given, _ in asked if path.startswith(("/store", "/token"))] == ["", ""]


@pytest.mark.parametrize("challenge", ['Basic realm="{here}"', 'Bearer realm="http://192.0.2.1/token"', "Bearer"])
def test_registry_that_wants_a_login(registry: Upstream, monkeypatch: pytest.MonkeyPatch, challenge: str) -> None:
    wants_a_token(monkeypatch, challenge)
    assert "requires a login, and homelab does not log in to registries: allow anonymous pulls." in failure(
        chart(registry)
    )
