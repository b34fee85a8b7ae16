"""`rehearse open`: which pages there are, the way to one through loopback, whether it answers, and what to click."""

import base64
import http.server
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from cli import app
from components.layers.shared.certificate_authority import CertificateAuthority, Subject
from rehearsal import browser, commands, port_forward, summary, web_uis
from rehearsal.lab import Lab
from rehearsal.network_namespace import NetworkNamespace
from rehearsal.session import Session
from rehearsal.shell import RehearsalError, run
from rehearsal.web_uis import WILDCARD_SECRET, WebUi
from tests.support import chromium
from tests.support.chromium import Chromium

HOST = "shop.lab.example.com"
LAN, ADDRESS, BALANCER = ip_network("192.0.2.0/24"), "192.0.2.254", "192.0.2.200"
OURS, FOREIGN = CertificateAuthority("ab" * 16, "lab CA"), CertificateAuthority("cd" * 16, "another CA")
SHOP = WebUi(HOST, "/", "shop", "Ingress shop/shop", ADDRESS, ("shop", "shop-tls"))

Json = dict[str, Any]


def ingress(namespace: str, host: str, *paths: str, ip: str | None = BALANCER, tls: bool = True) -> Json:
    spec: Json = {"rules": [{"host": host, "http": {"paths": [{"path": path} for path in paths]}}]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": f"{namespace}-tls"}]
    status = {"loadBalancer": {"ingress": [{"ip": ip}]} if ip else {}}
    return {"metadata": {"name": namespace, "namespace": namespace}, "spec": spec, "status": status}


def service(ip: str | None) -> Json:
    return {"status": {"loadBalancer": {"ingress": [{"ip": ip}]} if ip else {}}}


def route(match: str) -> Json:
    metadata = {"name": "dashboard", "namespace": "traefik"}
    return {"metadata": metadata, "spec": {"routes": [{"match": match}], "tls": {}}}


class Told(Lab):
    """A lab whose cluster says what it is told: objects by kind, and certificates by namespace, name and key."""

    def __init__(self, said: Mapping[str, list[Json]], secrets: Mapping[tuple[str, str, str], str]) -> None:
        super().__init__("told")
        self.said, self.secrets = said, secrets

    def kubectl(self, *arguments: str) -> str:
        assert arguments[0] == "get"
        kind, *rest = arguments[1:]
        if kind == "customresourcedefinitions":
            return "there" if rest[0] in self.said else ""
        if kind == "secret":
            key = rest[-1].removeprefix("--output=jsonpath=there{.data.").removesuffix("}").replace("\\", "")
            held = {
                name: value for (namespace, of, name), value in self.secrets.items() if [namespace, of] == rest[1:3]
            }
            return f"there{base64.b64encode(held.get(key, '').encode()).decode()}" if held else ""
        assert "--all-namespaces" in rest
        return json.dumps({"items": self.said.get(kind, [])})


Tell = Callable[..., Told]


@pytest.fixture
def tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tell:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return lambda secrets=None, **said: Told(
        {kind.replace("_", "."): each for kind, each in said.items()}, secrets or {}
    )


def test_pages_are_what_ingresses_and_routes_name(tell: Tell) -> None:
    lab = tell(
        ingresses=[
            ingress("shop", HOST, "/api", "/"),
            ingress("wiki", "wiki.example.org", "/wiki/start", "/wiki", ip=None, tls=False),
            {**ingress("argocd", "argocd.lab.example.com"), "status": {}},
            {"metadata": {"name": "any", "namespace": "any"}, "spec": {"rules": [{}]}},
            ingress("wildcard", "*.lab.example.com"),
        ],
        ingressroutes_traefik_io=[route("Host(`traefik.lab.example.com`)"), route("PathPrefix(`/`) && !Host(`x.org`)")],
        services=[service(None), service("192.0.2.201")],
    )
    assert web_uis.find_all(lab) == [
        WebUi(
            "argocd.lab.example.com", "/", "argocd", "Ingress argocd/argocd", "192.0.2.201", ("argocd", "argocd-tls")
        ),
        WebUi(HOST, "/", "shop", "Ingress shop/shop", BALANCER, ("shop", "shop-tls")),
        WebUi(
            "traefik.lab.example.com",
            "/",
            "traefik",
            "IngressRoute traefik/dashboard",
            "192.0.2.201",
            WILDCARD_SECRET,
        ),
        WebUi("wiki.example.org", "/wiki", "wiki", "Ingress wiki/wiki", "192.0.2.201", WILDCARD_SECRET),
    ]


def test_a_lab_without_traefik_serves_none(tell: Tell) -> None:
    assert web_uis.find_all(tell()) == []


def test_a_page_is_chosen_by_its_name_or_the_first_part_of_it(tell: Tell) -> None:
    there = web_uis.find_all(
        tell(ingresses=[ingress(name, host) for name, host in (("a", HOST), ("b", "shop.example.org"), ("c", "c.org"))])
    )
    assert web_uis.select(there, HOST).host == HOST
    assert web_uis.select(there, "c").host == "c.org"
    with pytest.raises(
        RehearsalError, match=rf"More than one web UI begins with shop \(it has: shop.example.org, {HOST}\)"
    ):
        web_uis.select(there, "shop")
    with pytest.raises(RehearsalError, match=rf"has no web UI sho \(it has: c.org, shop.example.org, {HOST}\)"):
        web_uis.select(there, "sho")
    with pytest.raises(RehearsalError, match=r"\(it has: none\)"):
        web_uis.select([], "shop")


def test_the_authority_is_the_one_beside_the_certificate_or_else_the_labs(tell: Tell) -> None:
    ours = {("cert-manager", "ca", "tls.crt"): "the lab's"}
    assert web_uis.ca_certificate(tell(), SHOP) is None
    assert web_uis.ca_certificate(tell(ours), SHOP) == "the lab's"
    assert web_uis.ca_certificate(tell({**ours, ("shop", "shop-tls", "ca.crt"): "beside"}), SHOP) == "beside"
    # ACME gives no authority, and the lab's has nothing to do with such a certificate
    assert web_uis.ca_certificate(tell({**ours, ("shop", "shop-tls", "tls.crt"): "by ACME"}), SHOP) is None


class Quiet(http.server.ThreadingHTTPServer):
    """A server that prints nothing of clients that leave: what a command prints is looked at."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


class Shop(http.server.BaseHTTPRequestHandler):
    """The page of an app, as Traefik serves it: by its name."""

    protocol_version = "HTTP/1.1"
    status = 200
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self.asked.append(self.headers["Host"])
        content = b"hello\n" * 100_000
        self.send_response(self.status if self.headers["Host"].partition(":")[0] == HOST else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(
    folder: Path, address: str, *, port: int = 0, by: CertificateAuthority = OURS, status: int = 200
) -> Iterator[tuple[int, list[str]]]:
    """A TLS server with the app's certificate, in the network of this thread; yields its port, and hosts asked for."""
    asked: list[str] = []
    issued = by.issue(Subject(HOST), time.gmtime().tm_year)
    (folder / "tls.pem").write_text(issued.certificate + issued.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.pem")
    server = Quiet((address, port), type("Own", (Shop,), {"status": status, "asked": asked}))
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def forwarded(folder: Path, **how: Any) -> Iterator[int]:
    """A port of loopback that leads to such a server."""
    with (
        serving(folder, port_forward.LOOPBACK, **how) as (port, _),
        port_forward.forwarded(0, lambda: socket.create_connection((port_forward.LOOPBACK, port))) as taken,
    ):
        yield taken


def test_a_page_answers_through_the_port(tmp_path: Path) -> None:
    with forwarded(tmp_path) as port:
        answer = browser.check(SHOP, port, OURS.certificate)
        assert (answer.status, answer.reason) == (200, "OK")
        # the digest by which Chromium knows a key, as its documentation makes it
        spki = run(["openssl", "x509", "-in", tmp_path / "tls.pem", "-noout", "-pubkey"])
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=spki.encode(), capture_output=True, check=True)  # fmt: skip # noqa: E501
        digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der.stdout, capture_output=True, check=True)  # fmt: skip # noqa: E501
        assert answer.key == base64.b64encode(digest.stdout).decode()
        assert browser.check(SHOP, port, None) == answer  # where nobody vouches for it


def test_a_page_of_another_authority_is_refused(tmp_path: Path) -> None:
    with forwarded(tmp_path, by=FOREIGN) as port, pytest.raises(RehearsalError) as refused:
        browser.check(SHOP, port, OURS.certificate)
    assert re.match(
        rf"The certificate of {HOST} cannot be verified with the lab's CA \(.+\): .* -n shop`", str(refused.value)
    )


def test_a_certificate_of_another_name_is_refused(tmp_path: Path) -> None:
    other = WebUi("other.example.org", "/", "shop", "Ingress shop/shop", ADDRESS, WILDCARD_SECRET)
    with forwarded(tmp_path) as port, pytest.raises(RehearsalError, match=r"other.example.org cannot be verified"):
        browser.check(other, port, OURS.certificate)


def test_a_page_without_pods_is_no_page(tmp_path: Path) -> None:
    with (
        forwarded(tmp_path, status=503) as port,
        pytest.raises(RehearsalError, match=r"503 .*\(hello\): .*pods .* -n shop"),
    ):
        browser.check(SHOP, port, OURS.certificate)
    with forwarded(tmp_path, status=401) as port:
        assert browser.check(SHOP, port, OURS.certificate).status == 401  # a login is one


def test_what_does_not_speak_tls_is_told(tmp_path: Path) -> None:
    def closed() -> socket.socket:
        raise ConnectionRefusedError

    with (
        port_forward.forwarded(0, closed) as port,
        pytest.raises(RehearsalError, match=rf"{HOST} gives no valid HTTP response"),
    ):
        browser.check(SHOP, port, OURS.certificate)


def test_the_port_is_on_loopback_alone_and_free_again_afterwards() -> None:
    with port_forward.forwarded(0, socket.socket) as port:
        listening = run(["ss", "-Hltn", f"sport = :{port}"]).split()
        assert [word for word in listening if word.endswith(f":{port}")] == [f"127.0.0.1:{port}"]
        with pytest.raises(RehearsalError, match=rf"Port {port} of 127.0.0.1 is not available \(Address .*--port"):  # noqa: SIM117
            with port_forward.forwarded(port, socket.socket):
                pass
    with port_forward.forwarded(port, socket.socket):
        pass


def test_each_direction_ends_by_itself() -> None:
    here, beyond = socket.socketpair()
    with (
        port_forward.forwarded(0, lambda: beyond) as port,
        socket.create_connection((port_forward.LOOPBACK, port)) as client,
    ):
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert here.makefile("rb").read() == b"question"  # it ends, and the answer is still awaited
        here.sendall(b"answer" * 100_000)
        here.close()
        assert client.makefile("rb").read() == b"answer" * 100_000


def test_many_connections_at_once(tmp_path: Path) -> None:
    context = ssl.create_default_context(cadata=OURS.certificate)
    context.check_hostname = False
    with forwarded(tmp_path) as port, ThreadPoolExecutor(20) as threads:
        asked = urllib.request.Request(f"https://{port_forward.LOOPBACK}:{port}/", headers={"Host": HOST})
        answers = threads.map(lambda _: len(urllib.request.urlopen(asked, context=context).read()), range(60))
        assert set(answers) == {600_000}


def test_what_is_said_can_be_done(tmp_path: Path) -> None:
    with forwarded(tmp_path) as port, browser._public(OURS.certificate) as file:
        said = browser.instructions(SHOP, port, browser.check(SHOP, port, OURS.certificate), file)
        assert said.startswith(f"https://{HOST}/ answers with 200 OK.\n")
        assert (
            f"To open https://{HOST}:{port}/ in any other browser:\n"
            f"  - add this line to /etc/hosts: 127.0.0.1 {HOST}\n" in said
        )
        assert file
        assert str(file) in said
        assert file.read_text() == OURS.certificate
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o644, 0o755)
        (curl,) = re.findall(r"^  (curl .*)$", said, re.MULTILINE)
        assert run([*shlex.split(curl), "--silent", "--fail"]).startswith("hello\n")
    assert not file.exists()


def test_without_an_authority_it_is_said_that_nobody_vouches(tmp_path: Path) -> None:
    with forwarded(tmp_path) as port:
        said = browser.instructions(SHOP, port, browser.check(SHOP, port, None), None)
        assert "accept the browser's warning, because the lab has no CA certificate for the web UI" in said
        (curl,) = re.findall(r"^  (curl .*)$", said, re.MULTILINE)
        assert run([*shlex.split(curl), "--silent", "--fail"]).startswith("hello\n")


@pytest.mark.skipif(not chromium.INSTALLED, reason="Chromium is not here")
def test_chromium_shows_the_page_without_a_warning(tmp_path: Path) -> None:
    with forwarded(tmp_path) as port:
        said = browser.instructions(SHOP, port, browser.check(SHOP, port, OURS.certificate), None)
        with Chromium().opened(said) as page:
            page.wait_for("hello")


@pytest.fixture
def network() -> Iterator[NetworkNamespace]:
    """A network as a lab's, which this computer's own has no way to."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network of its own needs Linux and root")
    netns = NetworkNamespace(f"homelab-open-{os.getpid()}")
    netns.create(LAN, ADDRESS)
    try:
        yield netns
    finally:
        netns.delete()


@contextmanager
def entered(netns: NetworkNamespace, folder: Path, **how: Any) -> Iterator[list[str]]:
    """The app's page in that network."""
    begun: list[list[str]] = []
    ready, over = threading.Event(), threading.Event()

    def serve() -> None:
        netns._enter()
        with serving(folder, ADDRESS, port=web_uis.PORT, **how) as (_, asked):
            begun.append(asked)
            ready.set()
            over.wait()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    try:
        yield begun[0]
    finally:
        over.set()
        thread.join()


@pytest.fixture
def lab(network: NetworkNamespace, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A lab that serves the shop in its network, as the command finds it."""
    found = tell(
        {("cert-manager", "ca", "tls.crt"): OURS.certificate}, ingresses=[ingress("shop", HOST, "/", ip=ADDRESS)]
    )
    found.netns = network
    monkeypatch.setattr(commands, "_existing", lambda _: found)
    return found


def said_by(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["rehearse", "open", *words], env={"COLUMNS": "120"})
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_opens_a_page_in_the_labs_network(lab: Told, tmp_path: Path) -> None:
    with entered(lab.netns, tmp_path) as asked:
        said = said_by("shop", "--port", "0", "--once")
    assert f"https://{HOST}/ answers with 200 OK." in said
    assert asked == [HOST]
    with pytest.raises(OSError, match=r"refused|unreachable|timed out"):
        socket.create_connection((ADDRESS, web_uis.PORT), 1)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_stays_until_it_is_told_to_end(
    ending: signal.Signals, lab: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            signal.raise_signal(ending)

    monkeypatch.setattr("rehearsal.browser.time.sleep", wait)
    # a shell starts its background jobs with SIGINT ignored
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with entered(lab.netns, tmp_path):
            said = said_by(HOST, "--port", "0")
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert said.endswith("The port stays open until Ctrl-C.\nclosed\n")


def test_the_command_ends_with_the_lab(lab: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = NetworkNamespace("homelab-gone")
    monkeypatch.setattr("rehearsal.browser.time.sleep", lambda _: setattr(lab, "netns", gone))
    with entered(lab.netns, tmp_path):
        assert said_by(HOST, "--port", "0").endswith("The lab was removed.\n")


def test_the_command_lists_what_there_is(lab: Told) -> None:
    said = said_by()
    assert re.search(rf"^{HOST} +Ingress shop/shop +{ADDRESS} *$", said, re.MULTILINE)
    assert f"./homelab rehearse open --stack told {HOST}" in said
    lab.said = {}
    assert "The rehearsed lab has no web UI" in said_by(code=1)


@pytest.mark.parametrize(
    "outputs", [{"namespace": "shop"}, {"apps": {"blog": {"namespace": "blog"}, "shop": {"namespace": "shop"}}}]
)
def test_a_rehearsal_ends_with_a_page_that_answers(lab: Told, tmp_path: Path, outputs: dict[str, Any]) -> None:
    engine = SimpleNamespace(outputs=lambda: outputs)
    session = cast(Session, SimpleNamespace(lab=lab, apps=[engine]))
    lab.said["ingresses"].insert(0, ingress("argocd", "argocd.lab.example.com", ip=ADDRESS))
    assert summary._open(session) is None
    with entered(lab.netns, tmp_path):
        assert summary._open(session) == HOST
        session.apps.clear()
        assert summary._open(session) == "argocd.lab.example.com"


def test_the_command_says_what_is_missing(lab: Told) -> None:
    assert re.search(rf"{HOST}\s+accepts\s+no\s+connection\s+at\s+{ADDRESS}, port", said_by("shop", code=1))
    lab.said = {"ingresses": [ingress("shop", HOST, ip=None)]}
    assert "Ingress shop/shop has no IP address yet" in said_by("shop", code=1)
