"""Registries on the Internet, played by one on loopback: tokens, what is missing, private, broken or changed."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Never
from urllib.parse import quote

import pytest

from rehearsal import image_sources, registry, upstream
from rehearsal.download import UnreachableError
from rehearsal.image_sources import Choice, ImageSource
from rehearsal.images import INDEX
from rehearsal.upstream import Upstream

LAYER = b"layer" * 1000
DIGEST = f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
INDEXED = json.dumps({"manifests": [DIGEST]}).encode()


@dataclass
class Registry:
    """What it has by path, and what it was asked: method and path."""

    port: int = 0
    content: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: bool = False
    token_status: int = 200
    busy: list[tuple[int, str]] = field(default_factory=list)
    """Status and Retry-After of the first answers."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def internet() -> Iterator[Registry]:
    """A registry that wants a token, which it gives to anybody but for what is private."""
    registry = Registry()

    class Host(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            registry.asked.append(f"{self.command} {path}")
            if path == "/token":
                self.answer(registry.token_status, b'{"token": "anybody"}')
            elif "/private/" in path:
                self.answer(403, b"")
            elif registry.busy:
                status, seconds = registry.busy.pop(0)
                self.answer(status, b"", **{"Retry-After": seconds})
            elif self.headers.get("Authorization") != "Bearer anybody":
                self.answer(
                    401, b"", **{"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token",service="s"'}
                )
            elif path in registry.content:
                self.answer(200, registry.content[path], **{"Content-Type": INDEX})
            else:
                self.answer(404, b"")

        do_HEAD = do_GET  # noqa: N815  # as the base class wants it

        def answer(self, status: int, content: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if registry.cut and "/blobs/" in self.path else content)
                self.close_connection = registry.cut

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class names it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    registry.port = server.server_port
    registry.content = {"/v2/some/app/manifests/1": INDEXED, f"/v2/some/app/blobs/{DIGEST}": LAYER}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield registry
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def all_registries(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "kept", lambda work: work())


def asked_for(internet: Registry, state: Path) -> Path:
    """The folder of a server whose lab has a pod with that image."""
    state.mkdir()
    image_sources.record(f"{internet.host}/some/app:1", Choice(ImageSource.NETWORK), state)
    return state


def test_what_was_fetched_is_kept(internet: Registry, all_registries: Upstream, tmp_path: Path) -> None:
    state = asked_for(internet, tmp_path / "state")
    index = registry.find(f"/v2/some/app/manifests/1?ns={internet.host}", state, all_registries)
    assert index
    assert (index.file.read_bytes(), index.media_type) == (INDEXED, INDEX)
    internet.asked.clear()
    for _ in range(2):
        layer = registry.find(f"/v2/some/app/blobs/{DIGEST}?ns={internet.host}", state, all_registries)
        assert layer
        assert layer.file.read_bytes() == LAYER
        assert registry.find(f"/v2/some/app/manifests/{index.digest}?ns={internet.host}", state, all_registries)
    assert internet.asked.count(f"GET /v2/some/app/blobs/{DIGEST}") == 2, "once without a token, once with it"
    assert not [asked for asked in internet.asked if "manifests" in asked]


@pytest.mark.parametrize(
    "namespace", ["{host}", "{host}/v2/some/app/manifests/1?x=", "{host}@elsewhere", "user:{host}", "", "../{host}"]
)
def test_nothing_is_asked_that_no_pod_has(
    internet: Registry, all_registries: Upstream, tmp_path: Path, namespace: str
) -> None:
    state = asked_for(internet, tmp_path / "state")
    where = quote(namespace.format(host=internet.host))
    assert registry.find(f"/v2/other/app/manifests/1?ns={where}", state, all_registries) is None
    assert registry.find(f"/v2/other/app/blobs/{DIGEST}?ns={where}", state, all_registries) is None
    assert internet.asked == []


def test_of_a_tag_and_a_digest_the_digest_counts() -> None:
    assert registry.split_name(f"quay.io/some/app:1@{DIGEST}") == ("quay.io", "some/app", DIGEST)
    assert registry.split_name("quay.io:5000/some/app:1") == ("quay.io:5000", "some/app", "1")


def test_a_registry_out_of_reach_is_left_alone_for_a_while(tmp_path: Path) -> None:
    tries: list[int] = []

    def silent(work: object) -> Never:
        tries.append(1)
        raise OSError(f"no way to {work}")

    nowhere = Upstream(tmp_path, silent)
    for name in ("one", "two", "three"):
        assert image_sources.choose(f"quay.io/some/{name}:1", (), nowhere).source is ImageSource.STAND_IN
    assert len(tries) == 1
    assert image_sources.choose("stand-in.invalid/some/app:1", (), nowhere).source is ImageSource.STAND_IN


def test_an_empty_record_of_a_tag_is_none(internet: Registry, all_registries: Upstream, tmp_path: Path) -> None:
    state, url = asked_for(internet, tmp_path / "state"), f"/v2/some/app/manifests/1?ns={internet.host}"
    assert registry.find(url, state, all_registries)
    for tag in all_registries.folder.glob("*.tag"):
        tag.write_text("")
    assert (
        image_sources.choose(f"{internet.host}/some/app:1", (), Upstream(all_registries.folder, refuse)).source
        is ImageSource.STAND_IN
    )


def test_a_layer_that_breaks_off_is_fetched_again(internet: Registry, all_registries: Upstream) -> None:
    internet.cut = True
    with pytest.raises(UnreachableError, match=f"/v2/some/app/blobs/{DIGEST}"):
        all_registries.blob(internet.host, "some/app", DIGEST)
    assert list(all_registries.folder.glob("*")) == []
    internet.cut = False
    found = all_registries.blob(internet.host, "some/app", DIGEST)
    assert found
    assert found.file.read_bytes() == LAYER


def test_another_content_than_the_digest_says_is_not_kept(internet: Registry, all_registries: Upstream) -> None:
    internet.content[f"/v2/some/app/blobs/{DIGEST}"] = b"changed on the way"
    with pytest.raises(UnreachableError, match="not the requested digest, and was discarded"):
        all_registries.blob(internet.host, "some/app", DIGEST)
    assert list(all_registries.folder.glob("*")) == []


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("some/app:1", ImageSource.NETWORK),
        ("some/app:missing", ImageSource.NETWORK),  # its pod says that there is no such tag
        ("private/app:1", ImageSource.STAND_IN),
    ],
)
def test_images_are_looked_for(
    internet: Registry, all_registries: Upstream, tmp_path: Path, image: str, expected: ImageSource
) -> None:
    assert image_sources.choose(f"{internet.host}/{image}", (), all_registries).source is expected
    repository, _, tag = image.partition(":")
    url = f"/v2/{repository}/manifests/{tag}?ns={internet.host}"
    if image == "some/app:missing":
        assert registry.find(url, tmp_path, all_registries) is None


def test_a_request_to_a_busy_registry_is_retried(
    internet: Registry, all_registries: Upstream, pauses: list[float]
) -> None:
    internet.busy = [(429, "2"), (503, "1")]
    assert image_sources.choose(f"{internet.host}/some/app:1", (), all_registries) == Choice(ImageSource.NETWORK)
    internet.busy = [(500, ""), (429, "30")]
    assert all_registries.blob(internet.host, "some/app", DIGEST)
    assert pauses == [2, 1, 1, 30]


def test_a_registry_that_stays_busy_is_named(
    internet: Registry, all_registries: Upstream, pauses: list[float], tmp_path: Path
) -> None:
    internet.busy = [(429, "600")]
    busy = Choice(ImageSource.STAND_IN, f"{internet.host} answers 429 Too Many Requests")
    for name in ("some", "other"):
        choice = image_sources.choose(f"{internet.host}/{name}/app:1", (), all_registries)
        assert choice == busy
        image_sources.record(f"{internet.host}/{name}/app:1", choice, tmp_path)
    assert (len(internet.asked), pauses) == (1, [])
    assert set(image_sources.recorded(tmp_path).values()) == {busy}


def test_a_failure_for_one_image_does_not_block_the_next_image(
    internet: Registry, all_registries: Upstream, pauses: list[float]
) -> None:
    internet.busy = [(502, "")] * 3
    choice = image_sources.choose(f"{internet.host}/other/app:1", (), all_registries)
    assert choice == Choice(ImageSource.STAND_IN, f"{internet.host} answers 502 Bad Gateway")
    assert pauses == [1, 2]
    assert image_sources.choose(f"{internet.host}/some/app:1", (), all_registries) == Choice(ImageSource.NETWORK)


def test_a_registry_that_gives_no_token_has_a_private_image(internet: Registry, all_registries: Upstream) -> None:
    internet.token_status = 403
    private = image_sources.choose(f"{internet.host}/other/app:1", (), all_registries)
    assert private == Choice(ImageSource.STAND_IN, f"{internet.host} requires a login")
    internet.token_status = 200
    assert image_sources.choose(f"{internet.host}/some/app:1", (), all_registries) == Choice(ImageSource.NETWORK)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("{host}/private/app:1", "{host} requires a login"),
        ("127.0.0.1:1/some/app:1", "127.0.0.1:1 cannot be reached ([Errno 111] Connection refused)"),
        ("stand-in.invalid/some/app:1", ""),
    ],
)
def test_reason_of_a_stand_in(image: str, reason: str, internet: Registry, all_registries: Upstream) -> None:
    choice = image_sources.choose(image.format(host=internet.host), (), all_registries)
    assert choice == Choice(ImageSource.STAND_IN, reason.format(host=internet.host))


def test_a_failure_without_a_message_is_named(tmp_path: Path) -> None:
    def fail(_: object) -> Never:
        raise TimeoutError

    choice = image_sources.choose("quay.io/some/app:1", (), Upstream(tmp_path, fail))
    assert choice == Choice(ImageSource.STAND_IN, "quay.io cannot be reached (TimeoutError)")


def test_an_image_is_looked_for_once(internet: Registry, all_registries: Upstream) -> None:
    for _ in range(3):
        assert image_sources.choose(f"{internet.host}/some/app:1", (), all_registries).source is ImageSource.NETWORK
    assert internet.asked.count("HEAD /v2/some/app/manifests/1") == 2, "once without a token, once with it"


def test_without_a_network_all_is_as_before(all_registries: Upstream) -> None:
    assert not upstream.reachable("127.0.0.1:1")
    assert image_sources.choose("127.0.0.1:1/some/app:1", (), all_registries).source is ImageSource.STAND_IN
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:1"):
        all_registries.blob("127.0.0.1:1", "some/app", DIGEST)


def test_a_tag_that_was_fetched_is_there_without_its_registry(
    internet: Registry, all_registries: Upstream, tmp_path: Path
) -> None:
    url, state = f"/v2/some/app/manifests/1?ns={internet.host}", asked_for(internet, tmp_path / "state")
    assert registry.find(url, state, all_registries)
    internet.content.clear()
    later = Upstream(all_registries.folder, refuse)
    assert image_sources.choose(f"{internet.host}/some/app:1", (), later).source is ImageSource.NETWORK
    found = registry.find(url, state, later)
    assert found
    assert found.file.read_bytes() == INDEXED


def refuse(work: object) -> Never:
    raise OSError(f"no way to {work}")


def test_a_network_that_answers_is_reachable(internet: Registry) -> None:
    assert upstream.reachable(internet.host)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root enters network namespaces")
def test_the_server_asks_from_outside_of_the_lab() -> None:
    with Path("/proc/self/ns/net").open() as ours:
        run = upstream.runner_in(ours.fileno())
        assert run(lambda: Path("/proc/thread-self/ns/net").readlink()) == Path("/proc/self/ns/net").readlink()
