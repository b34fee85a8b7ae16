"""The rehearsal's server process: mirror, image registry, Git over HTTP, webhooks and stand-in operators.

Usage: `python -m rehearsal.server --root MIRROR --address IP --state FOLDER`.
After SIGTERM, the server exits with code 0.
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

from rehearsal import certificates, cluster_requests, git, registry, webhook
from rehearsal.cache import write_atomically
from rehearsal.charts import LabEndpoints
from rehearsal.controllers import run
from rehearsal.controllers.api import ApiError
from rehearsal.download import UnreachableError
from rehearsal.image_cache import cache_folder, hold_cache
from rehearsal.network_namespace import url_host
from rehearsal.upstream import Upstream, runner_in

MAX_REQUEST_BYTES = 8 << 20  # bytes of a request's body
IDLE_TIMEOUT = 30  # seconds until an idle client is disconnected
HTTP_PORT = 8080
WEBHOOK_PORT = 8443


class LoggingServer(ThreadingHTTPServer):
    """An HTTP server on one IPv4 or IPv6 address, with an access log."""

    daemon_threads = True

    def __init__(self, address: str, port: int, handler: type["Handler"], state: Path, log: str) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.state = state
        self._log = (state / log).open("a", buffering=1)
        super().__init__((address, port), handler)

    def log(self, line: str) -> None:
        """Write one line with a timestamp to the access log."""
        self._log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")

    def server_close(self) -> None:
        """Stop listening and close the log."""
        super().server_close()
        self._log.close()


class Handler(BaseHTTPRequestHandler):
    """Base class of the HTTP request handlers of the mirror and of the webhooks."""

    server: LoggingServer
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class names it
        """Write a message to the access log, with the client's address."""
        self.server.log(f"{self.client_address[0]} {format % args}")

    def reply(self, kind: str, content: bytes) -> None:
        """Respond with the status 200 and `content`."""
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class MirrorHandler(Handler):
    """The HTTP request handler of the mirror, which serves files, container images and Git repositories."""

    def __init__(self, *args: object, root: Path, upstream: Upstream | None = None) -> None:
        self.root, self.upstream = root.resolve(), upstream
        super().__init__(*args)  # type: ignore[arg-type]  # the base class' own arguments

    def do_GET(self) -> None:
        """Serve a file, an image blob, a response of the Git server, or the status that a Helm hook's Job polls."""
        if self.path.startswith(git.PREFIX):
            self._ask_git(b"")
            return
        if not self.path.startswith(cluster_requests.JOBS_PATH):
            self._answer()
            return
        try:
            status = cluster_requests.job_status(self.path, self.server.state)
        except (ApiError, OSError):
            status = HTTPStatus.SERVICE_UNAVAILABLE
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self) -> None:
        """Respond with the headers of a file or an image blob."""
        self._answer()

    def do_POST(self) -> None:
        """Pass the request of a Git client to Git."""
        size = int(self.headers.get("Content-Length", -1))
        if not self.path.startswith(git.PREFIX) or not 0 <= size <= MAX_REQUEST_BYTES:
            self.close_connection = True  # the unread body must not be parsed as the next request
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
            blob = registry.find(self.path, self.server.state, self.upstream)
        except (UnreachableError, ValueError) as error:
            self.server.log(f"{self.path} could not be fetched: {error}")
            self.send_error(HTTPStatus.BAD_GATEWAY, explain=str(error))
            return
        self._send(blob.file if blob else None, blob.media_type if blob else "", blob.digest if blob else "")

    def _send(self, file: Path | None, kind: str = "application/octet-stream", digest: str = "") -> None:
        """Respond with a file, or with 404 if the file is missing; respond to HEAD with the headers only."""
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


class WebhookHandler(Handler):
    """The request handler of the webhooks, which closes the connection while a simulated webhook is not ready."""

    def __init__(self, *args: object, upstream: Upstream | None = None) -> None:
        self.upstream = upstream
        super().__init__(*args)  # type: ignore[arg-type]  # the base class' own arguments

    def do_POST(self) -> None:
        """Answer one AdmissionReview."""
        size = int(self.headers.get("Content-Length", 0))
        if not 0 < size <= MAX_REQUEST_BYTES:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        try:
            asked = json.loads(self.rfile.read(size))
            answer = cluster_requests.answer_review(urlsplit(self.path).path, asked, self.server.state, self.upstream)
        except (ApiError, OSError) as error:
            self.server.log(f"{self.path} has no answer: {error}")
            answer = None
        except (KeyError, TypeError, ValueError) as error:
            self.send_error(
                HTTPStatus.BAD_REQUEST, f"the request is not an AdmissionReview for a known webhook: {error!r}"
            )
            return
        if answer is None:
            self.close_connection = True
            return
        self.reply("application/json", json.dumps(answer).encode())


def prepare(state: Path, address: str, images: tuple[str, ...], port: int = WEBHOOK_PORT) -> str:
    """Write the server's files into `state`; return the manifest with the webhook configuration, which K3s applies."""
    state.mkdir(parents=True, exist_ok=True)
    if not (state / cluster_requests.IMAGES_FILE).exists():  # pods of a running lab need the images of the last list
        write_image_list(state, images)
    lab = lab_endpoints(state, address, port)
    return webhook.configuration(f"{lab.webhooks_url}{cluster_requests.PODS_PATH}", lab.ca)


def write_image_list(state: Path, images: tuple[str, ...]) -> None:
    """Write the list of available images, which the pod webhook does not replace with the stand-in image."""
    write_atomically(state / cluster_requests.IMAGES_FILE, "".join(f"{image}\n" for image in images))


def lab_endpoints(state: Path, address: str, port: int = WEBHOOK_PORT) -> LabEndpoints:
    """Return the endpoints of the rehearsal's server for stand-in charts; `state` contains the certificates."""
    host = url_host(address)
    ca = certificates.ensure(state, address).ca.read_text()
    return LabEndpoints(f"https://{host}:{port}", ca, f"{host}:{HTTP_PORT}")


def create_mirror(root: Path, address: str, port: int, state: Path, upstream: Upstream | None = None) -> LoggingServer:
    """Create the mirror's HTTP server; `port` 0 means any free port; `upstream` has images of other registries."""
    handler = partial(MirrorHandler, root=root, upstream=upstream)
    return LoggingServer(address, port, handler, state, "access.log")  # type: ignore[arg-type]


def create_webhooks(address: str, port: int, state: Path, upstream: Upstream | None = None) -> LoggingServer:
    """Create the HTTPS server of the webhooks."""
    files = certificates.ensure(state, address)
    handler = partial(WebhookHandler, upstream=upstream)
    service = LoggingServer(address, port, handler, state, "webhook.log")  # type: ignore[arg-type]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.server, files.key)
    # each TLS handshake runs in the thread of its client, so that an idle client does not block other clients
    service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
    return service


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _options()
    options.state.mkdir(parents=True, exist_ok=True)
    upstream = None if options.outside is None else Upstream(cache_folder(), runner_in(options.outside))
    with hold_cache():
        _serve(options, upstream)


def _serve(options: argparse.Namespace, upstream: Upstream | None) -> None:
    services = (
        create_mirror(options.root, options.address, options.http_port, options.state, upstream),
        create_webhooks(options.address, options.webhook_port, options.state, upstream),
    )
    stopped = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stopped.set())
    for service in services:
        threading.Thread(target=service.serve_forever, daemon=True).start()
    run.start(options.state.parent)
    stopped.wait()
    for service in services:
        service.shutdown()
        service.server_close()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Serve the mirror, registry, webhooks and stand-in operators of a rehearsed lab."
    )
    parser.add_argument("--root", type=Path, required=True, help="folder that the mirror serves")
    parser.add_argument("--address", required=True, help="IP address to listen on")
    parser.add_argument("--state", type=Path, required=True, help="folder for certificates, image lists and logs")
    parser.add_argument("--outside", type=int, help="file descriptor of a network namespace with Internet access")
    parser.add_argument("--http-port", type=int, default=HTTP_PORT)
    parser.add_argument("--webhook-port", type=int, default=WEBHOOK_PORT)
    return parser.parse_args()


if __name__ == "__main__":
    main()
