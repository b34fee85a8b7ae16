"""Forwards a loopback port of the host into the network of a rehearsed lab."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rehearsal.shell import RehearsalError

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 1 << 16  # bytes to copy at once


@contextmanager
def forwarded(port: int, connect: Callable[[], socket.socket]) -> Iterator[int]:
    """Forward a loopback port to connections that `connect()` opens; yield the port. `port` 0 means any free port."""
    try:
        server = _Server(port, connect)
    except OSError as error:
        reason = error.strerror or error
        raise RehearsalError(
            f"Port {port} of {LOOPBACK} is not available ({reason}): choose another port with --port."
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
    request_queue_size = 64  # browsers open many connections at once

    def __init__(self, port: int, connect: Callable[[], socket.socket]) -> None:
        self.connect = connect
        super().__init__((LOOPBACK, port), _Connection)


class _Connection(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        """Copy data between client and destination until both close, or return if the destination is unreachable."""
        try:
            upstream = self.server.connect()
        except OSError:
            return
        with upstream:
            responses = threading.Thread(target=_pass_on, args=(upstream, self.request), daemon=True)
            responses.start()
            _pass_on(self.request, upstream)
            responses.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy data until `source` closes, then half-close `target`; on an error, close both sockets."""
    try:
        while content := source.recv(CHUNK_BYTES):
            target.sendall(content)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for connection in (source, target):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
