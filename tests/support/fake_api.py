"""A Kubernetes API over TLS with client certificates, whose answers a test sets."""

import base64
import http.server
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from rehearsal import certificates
from tests.support.files_over_http import running

ADDRESS = "127.0.0.1"


def to_base64(text: str) -> str:
    """Encode a text as kubeconfigs contain it."""
    return base64.b64encode(text.encode()).decode()


class FakeApi:
    """The API's answers by path, and the requests that it received, with their Accept headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.requests: list[tuple[str, str, str]] = []
        self.handlers: dict[tuple[str, str], Callable[[Any], Any]] = {}
        """Functions from a request's body to the answer, by method and path."""
        self.kubeconfig = ""

    def add_list(self, path: str, *items: Any) -> None:
        """Answer a path with a list."""
        self.answers[path] = {"items": list(items)}

    def add_kind(self, version: str, kind: str, plural: str, *, namespaced: bool = True) -> None:
        """Add a kind to a version of the API."""
        place = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        known = self.answers.setdefault(place, {"resources": []})
        known["resources"] += [
            {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": namespaced},
            {"name": f"{plural}/status", "kind": kind, "namespaced": namespaced},
        ]


def handler(api: FakeApi) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            api.requests.append((self.command, self.path, self.headers["Accept"]))
            answer = api.answers.get(unquote(self.path))
            self._say(answer if isinstance(answer, int) else 404 if answer is None else 200, answer)

        def change(self) -> None:
            api.requests.append((self.command, self.path, self.headers["Content-Type"]))
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            made = api.handlers.get((self.command, unquote(self.path)))
            self._say(201 if made else 404, made(json.loads(body or "null")) if made else None)

        do_POST = do_PUT = do_DELETE = change  # noqa: N815

        def _say(self, code: int, answer: Any) -> None:
            self.send_response(code)
            self.end_headers()
            if code < 300:
                self.wfile.write(json.dumps(answer).encode())

    return Handler


@contextmanager
def serve_api(folder: Path) -> Iterator[FakeApi]:
    """Run an API until the block ends."""
    api = FakeApi()
    made = certificates.ensure(folder, ADDRESS)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(made.ca))
    context.load_cert_chain(made.server, made.key)
    context.verify_mode = ssl.CERT_REQUIRED
    service = http.server.ThreadingHTTPServer((ADDRESS, 0), handler(api))
    service.socket = context.wrap_socket(service.socket, server_side=True)
    authority, cert, key = (to_base64(file.read_text()) for file in (made.ca, made.server, made.key))
    server = f"https://{ADDRESS}:{service.server_port}"
    content = {
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "lab", "user": {"client-certificate-data": cert, "client-key-data": key}}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
    }
    api.kubeconfig = yaml.safe_dump(content)
    with running(service):
        yield api
