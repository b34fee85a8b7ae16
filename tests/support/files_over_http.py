"""A folder served over HTTP on loopback, as official hosts serve theirs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from rehearsal import server


@contextmanager
def serve_files(root: Path, state: Path) -> Iterator[str]:
    state.mkdir(parents=True, exist_ok=True)
    service = server.create_mirror(root, "127.0.0.1", 0, state)
    with running(service):
        yield f"http://127.0.0.1:{service.server_port}"


@contextmanager
def running(service: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        service.shutdown()
        service.server_close()
        thread.join()
