"""A folder served over trusted HTTPS, with range requests that resume downloads."""

import http.server
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rehearsal import certificates
from tests.support.files_over_http import running

ADDRESS = "192.0.2.1"
"""The host's address in URLs, because homelab accepts no mirror on loopback."""


class RangeHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder. `requests` are paths and ranges; `truncated` are the bytes of a file's next response."""

    requests: list[tuple[str, str]]
    truncated: dict[str, int]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range", "")
        self.requests.append((self.path, wanted))
        if not file.is_file():
            return self.send_error(404)
        content, start = file.read_bytes(), int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.truncated.pop(file.name, None)])
        self.close_connection = True
        return None


class Upstream:
    """The running host."""

    def __init__(self, url: str, root: Path, handler: type[RangeHandler]) -> None:
        self.url, self.root, self.requests, self.truncated = url, root, handler.requests, handler.truncated

    def ranges(self, name: str) -> list[str]:
        """Return the ranges that were requested of a file."""
        return [wanted for path, wanted in self.requests if path.endswith(f"/{name}")]


@contextmanager
def serve_upstream(root: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    look_up = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *rest: look_up("127.0.0.1", *rest))
    made = certificates.ensure(state, ADDRESS)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
    monkeypatch.setenv("NO_PROXY", "*")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server, made.key)
    handler = type("Handler", (RangeHandler,), {"requests": [], "truncated": {}})
    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(root)))
    service.socket = context.wrap_socket(service.socket, server_side=True)
    with running(service):
        yield Upstream(f"https://{ADDRESS}:{service.server_port}", root, handler)
