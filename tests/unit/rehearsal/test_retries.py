"""Requests to busy servers: the waits, the repetitions, and the error after the last repetition."""

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError

import pytest
import yaml

from components.kubernetes.chart import Chart
from rehearsal import charts, download
from rehearsal.charts import LabEndpoints, Sources
from rehearsal.download import UnreachableError
from rehearsal.retries import with_retries
from tests.support.files_over_http import running

pytestmark = pytest.mark.usefixtures("pauses")

BUSY = (429, {"Retry-After": "7"})


@dataclass
class Host:
    """A host that answers with `busy` before it answers with its files; `asked` are the paths of all requests."""

    url: str = ""
    busy: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self) -> bytes:
        content: bytes = urllib.request.urlopen(f"{self.url}/file").read()
        return content


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append(self.path)
            content = host.files.get(self.path)
            status, headers = host.busy.pop(0) if host.busy else (200 if content else 404, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as the base class names it
            pass

    service = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    host.url = f"http://127.0.0.1:{service.server_port}"
    with running(service):
        yield host


@pytest.fixture
def host() -> Iterator[Host]:
    with serving(Host(files={"/file": b"content"})) as found:
        yield found


@pytest.mark.parametrize(
    ("busy", "expected"),
    [
        ([(503, {})] * 3, [1, 2, 4]),
        ([BUSY, (500, {})], [7, 2]),
        ([(429, {"Retry-After": "0"})], [1]),
        ([(429, {"Retry-After": "soon"})], [1]),
        ([(503, {"Retry-After": "-3"})], [1]),
    ],
)
def test_a_request_to_a_busy_server_is_retried(
    busy: list[tuple[int, dict[str, str]]], expected: list[float], host: Host, pauses: list[float]
) -> None:
    host.busy = [*busy]
    assert with_retries(host.get, 60) == b"content"
    assert pauses == expected


def test_retry_after_may_be_a_date(host: Host, pauses: list[float]) -> None:
    host.busy = [(429, {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)})]
    assert with_retries(host.get, 60) == b"content"
    assert pauses == [pytest.approx(30, abs=2)]


def test_a_retry_after_beyond_the_patience_fails_at_once(host: Host, pauses: list[float]) -> None:
    host.busy = [BUSY] * 3
    with pytest.raises(HTTPError, match="429"):
        with_retries(host.get, 15)
    assert pauses == [7, 7]
    assert len(host.asked) == 3


@pytest.mark.parametrize("status", [400, 404, 501])
def test_a_permanent_error_is_not_retried(status: int, host: Host, pauses: list[float]) -> None:
    host.busy = [(status, {})]
    with pytest.raises(HTTPError, match=str(status)):
        with_retries(host.get, 60)
    assert pauses == []


def test_a_download_waits_for_a_busy_host(host: Host, pauses: list[float]) -> None:
    host.busy = [BUSY]
    assert download.text(f"{host.url}/file") == "content"
    assert pauses == [7]
    host.busy = [(503, {})] * 9
    with pytest.raises(UnreachableError, match="503"):
        download.text(f"{host.url}/file")
    assert pauses[1:] == [1, 2, 4, 8, 16]


def repository(host: Host) -> Callable[[list[str]], charts.PackedChart]:
    release = {"name": "traefik", "version": "1.2.3", "urls": ["web-1.2.3.tgz"]}
    host.files = {
        "/index.yaml": yaml.safe_dump({"entries": {"traefik": [release]}}).encode(),
        "/web-1.2.3.tgz": b"the real one",
    }
    return lambda said: charts.lay_out(
        Path("mirror"),
        [Chart("traefik", "1.2.3", host.url)],
        LabEndpoints("https://192.0.2.1", "CA", "192.0.2.1:80"),
        Sources(online=True),
        said.append,
    )[0]


def test_a_request_to_a_busy_chart_repository_is_retried(
    host: Host, pauses: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    host.busy = [BUSY, (502, {})]
    said: list[str] = []
    packed = repository(host)(said)
    assert (packed.origin, packed.reason, said, pauses) == (charts.NETWORK, "", [], [7, 2])


def test_a_chart_repository_that_stays_busy_is_named(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    host.busy = [(429, {"Retry-After": "3600"})]
    said: list[str] = []
    packed = repository(host)(said)
    reason = f"{host.url}/index.yaml answers 429 Too Many Requests: "
    assert said[0].startswith(f"using a stand-in for the chart traefik: {reason}")
    (row,) = charts.rows([packed])
    assert row.origin.startswith(f"{charts.STAND_IN}, because {reason}")
    assert not row.real
