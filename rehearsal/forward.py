"""A port of this computer alone that leads into a lab's network."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rehearsal.shell import RehearsalError

LOOPBACK = "127.0.0.1"
CHUNK = 1 << 16  # bytes


@contextmanager
def forwarded(port: int, connect: Callable[[], socket.socket]) -> Iterator[int]:
    """Join each connection to a port of loopback (0: a free one) with one that `connect` makes; yields the port."""
    try:
        server = _Server(port, connect)
    except OSError as error:
        reason = error.strerror or error
        raise RehearsalError(
            f"Port {port} of {LOOPBACK} cannot be had ({reason}): give another one by --port."
        ) from None
    with server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64  # a browser asks for much at once

    def __init__(self, port: int, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        super().__init__((LOOPBACK, port), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Pass on both directions until both have ended; where nothing takes the other end, end at once."""
        try:
            beyond = self.server.connect()
        except OSError:
            return
        with beyond:
            back = threading.Thread(target=_pass_on, args=(beyond, self.request), daemon=True)
            back.start()
            _pass_on(self.request, beyond)
            back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy until `source` ends; `target` is told of that end, and both of a failure."""
    try:
        while content := source.recv(CHUNK):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
