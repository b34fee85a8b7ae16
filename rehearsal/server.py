"""The rehearsal's own services: a mirror of artefacts, webhooks, and what stands in for missing programs.

Run as `python -m rehearsal.server --root MIRROR --address IP --state FOLDER`; it ends well on SIGTERM.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rehearsal import certificates, git, registry, reviews, webhook
from rehearsal.cache import write_whole
from rehearsal.charts import Surroundings
from rehearsal.download import OutOfReachError
from rehearsal.namespace import url_host
from rehearsal.operators import run
from rehearsal.operators.api import ApiError
from rehearsal.upstream import Upstream, kept, outside

LARGEST_REQUEST = 8 << 20  # bytes
IDLE = 30  # seconds a client may say nothing
HTTP_PORT = 8080
WEBHOOK_PORT = 8443


class Service(ThreadingHTTPServer):
    """An HTTP server on one address, IPv4 or IPv6, that notes each request in a file."""

    daemon_threads = True

    def __init__(self, address: str, port: int, handler: type["Handler"], state: Path, log: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.state = state
        self._log = (state / log).open("a", buffering=1)
        super().__init__((address, port), handler)

    def note(self, line: str) -> None:
        """Write one line, with the time, to the access log."""
        self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")

    def server_close(self) -> None:
        """Stop listening and close the log."""
        super().server_close()
        self._log.close()


class Handler(BaseHTTPRequestHandler):
    """What both services have in common."""

    server: Service
    protocol_version = "HTTP/1.1"
    timeout = IDLE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class names it
        """Note it in the service's log, with the client's address."""
        self.server.note(f"{self.client_address[0]} {format % args}")

    def reply(self, kind: str, content: bytes) -> None:
        """Answer with `content`."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Mirror(Handler):
    """Serves the files below a folder, and the images of the registry."""

    def __init__(self, *args: object, root: Path, upstream: Upstream | None = None) -> None:
        self.root, self.upstream = root.resolve(), upstream
        super().__init__(*args)  # type: ignore[arg-type]  # the base class' own arguments

    def do_GET(self) -> None:
        """Send a file, the answer to the job of a chart, or what Git says."""
        if self.path.startswith(git.PREFIX):
            self._ask_git(b"")
            return
        if not self.path.startswith(reviews.JOBS):
            self._answer()
            return
        try:
            status = reviews.question(self.path, self.server.state)
        except (ApiError, OSError):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        """Say whether a file is there, and its size."""
        self._answer()

    def do_POST(self) -> None:
        """Let Git answer one who fetches."""
        size = int(self.headers.get("Content-Length", -1))
        if not self.path.startswith(git.PREFIX) or not 0 <= size <= LARGEST_REQUEST:
            self.close_connection = True  # what else comes is no request
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        self._ask_git(self.rfile.read(size))

    def _ask_git(self, body: bytes) -> None:
        answer = git.respond(self.server.state, self.command, self.path, dict(self.headers), body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def _answer(self) -> None:
        if self.path == registry.PREFIX:
            self.reply("application/json", b"{}")
        elif self.path.startswith(registry.PREFIX):
            self._send_image()
        else:
            path = (self.root / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
            self._send(path if path.is_relative_to(self.root) else None)

    def _send_image(self) -> None:
        try:
            found = registry.find(self.path, self.server.state, self.upstream)
        except (OutOfReachError, ValueError) as error:
            self.server.note(f"{self.path} could not be fetched: {error}")
            self.send_error(HTTPStatus.BAD_GATEWAY, explain=str(error))
            return
        self._send(found.file if found else None, found.kind if found else "", found.digest if found else "")

    def _send(self, file: Path | None, kind: str = "application/octet-stream", digest: str = "") -> None:
        """Send a file, or only its size where that is asked; None or no file is not found."""
        if not file or not file.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file.open("rb") as content:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(os.fstat(content.fileno()).st_size))
            if digest:
                self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command != "HEAD":
                shutil.copyfileobj(content, self.wfile, 1 << 20)


class Reviews(Handler):
    """Answers AdmissionReviews; one for a system whose webhook does not serve yet stays without an answer."""

    def __init__(self, *args: object, upstream: Upstream | None = None) -> None:
        self.upstream = upstream
        super().__init__(*args)  # type: ignore[arg-type]  # the base class' own arguments

    def do_POST(self) -> None:
        """Answer one AdmissionReview."""
        size = int(self.headers.get("Content-Length", 0))
        if not 0 < size <= LARGEST_REQUEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            asked = json.loads(self.rfile.read(size))
            answer = reviews.review(urlsplit(self.path).path, asked, self.server.state, self.upstream)
        except (ApiError, OSError) as error:
            self.server.note(f"{self.path} has no answer: {error}")
            answer = None
        except (KeyError, TypeError, ValueError) as error:
            self.send_error(HTTPStatus.BAD_REQUEST, f"not an AdmissionReview that is known here: {error!r}")
            return
        if answer is None:
            self.close_connection = True
            return
        self.reply("application/json", json.dumps(answer).encode())


def prepare(state: Path, address: str, images: tuple[str, ...], port: int = WEBHOOK_PORT) -> str:
    """Write what the daemon needs into `state`; returns the manifest that the servers must apply."""
    state.mkdir(parents=True, exist_ok=True)
    if not (state / reviews.IMAGES).exists():  # of a lab that runs, pods must find what they had
        list_images(state, images)
    lab = surroundings(state, address, port)
    return webhook.configuration(f"{lab.webhooks}{reviews.PODS}", lab.authority)


def list_images(state: Path, images: tuple[str, ...]) -> None:
    """Name the images that can be had; pods with others get the stand-in."""
    write_whole(state / reviews.IMAGES, "".join(f"{image}\n" for image in images))


def surroundings(state: Path, address: str, port: int = WEBHOOK_PORT) -> Surroundings:
    """What charts must know of the server that keeps its files in `state`."""
    host = url_host(address)
    authority = certificates.ensure(state, address).authority.read_text()
    return Surroundings(f"https://{host}:{port}", authority, f"{host}:{HTTP_PORT}")


def mirror(root: Path, address: str, port: int, state: Path, upstream: Upstream | None = None) -> Service:
    """The mirror of artefacts, listening; `port` 0 takes a free one. `upstream` has the images that it has not."""
    handler = partial(Mirror, root=root, upstream=upstream)
    return Service(address, port, handler, state, "access.log")  # type: ignore[arg-type]


def images(address: str, port: int, state: Path, upstream: Upstream | None = None) -> Service:
    """The webhooks, listening."""
    files = certificates.ensure(state, address)
    handler = partial(Reviews, upstream=upstream)
    service = Service(address, port, handler, state, "webhook.log")  # type: ignore[arg-type]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.key)
    # the handshake happens in each client's own thread, so that a silent one holds up nobody
    service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
    return service


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _options()
    options.state.mkdir(parents=True, exist_ok=True)
    upstream = None if options.outside is None else Upstream(kept(), outside(options.outside))
    services = (
        mirror(options.root, options.address, options.http_port, options.state, upstream),
        images(options.address, options.webhook_port, options.state, upstream),
    )
    ended = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: ended.set())
    for service in services:
        threading.Thread(target=service.serve_forever, daemon=True).start()
    run.start(options.state.parent)
    ended.wait()
    for service in services:
        service.shutdown()
        service.server_close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serves artefacts and stand-ins for images to a rehearsal.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the mirror")
    parser.add_argument("--address", required=True, help="IP address to listen on")
    parser.add_argument("--state", type=Path, required=True, help="folder of certificates, images.txt, logs")
    parser.add_argument("--outside", type=int, help="file descriptor of a network namespace that has the Internet")
    parser.add_argument("--http-port", type=int, default=HTTP_PORT)
    parser.add_argument("--webhook-port", type=int, default=WEBHOOK_PORT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
