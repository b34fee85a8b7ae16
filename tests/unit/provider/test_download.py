"""Downloads of the plugin: whole or not at all, and never for long."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request

import pytest

from provider import download
from provider.errors import TaskError
from tests.support.files_over_http import running, serve_files


@contextmanager
def answering(answer: bytes, *, stay: float = 0) -> Iterator[str]:
    """A server that sends these bytes, whatever it is asked, and stays silent for so many seconds after them."""
    ended = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(answer)
            self.wfile.flush()
            ended.wait(stay)

        def log_message(self, *args: object) -> None:
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with running(service):
        yield f"http://127.0.0.1:{service.server_port}/index.yaml"
        ended.set()


def failure(url: str) -> str:
    with pytest.raises(TaskError) as caught:
        download.download(url, 1 << 20)
    return str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nentries: {}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nentries: {}",
    ],
)
def test_half_a_download(answer: bytes) -> None:
    with answering(answer) as url:
        said = failure(url)
    assert "/index.yaml ended" in said or "could not be fetched (IncompleteRead" in said


def test_silence_and_endless_slowness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "IDLE_SECONDS", 0.1)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nentries", stay=5) as url:
        assert "/index.yaml could not be fetched (timed out)" in failure(url)
    monkeypatch.setattr(download, "TOTAL_SECONDS", -1)
    with answering(b"HTTP/1.1 200 OK\r\n\r\nentries: {}") as url:
        assert "was not completely downloaded within -1 s" in failure(url)


def test_server_that_is_no_web_server() -> None:
    with answering(b"SSH-2.0-OpenSSH_9\r\n") as url:
        assert "/index.yaml could not be fetched (SSH-2.0" in failure(url)


def test_redirects_are_followed_but_not_out_of_tls(tmp_path: Path) -> None:
    (tmp_path / "index.yaml").write_text("entries")
    with serve_files(tmp_path, tmp_path) as url:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {url}/index.yaml\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(moved) as other:
            assert download.download(other, 1 << 20) == b"entries"
    request = Request("https://lab/index.yaml")
    with pytest.raises(TaskError, match="from https to http"):
        download._Redirect().redirect_request(request, None, 302, "", {}, "http://lab/index.yaml")
