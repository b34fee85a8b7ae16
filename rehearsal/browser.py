"""The command `./homelab rehearse open`: forwards a local port to a web UI, and prints how to open the web UI."""

import base64
import hashlib
import http.client
import shlex
import signal
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rich.console import Console
from rich.table import Table

from rehearsal import port_forward, web_uis
from rehearsal.lab import Lab
from rehearsal.shell import RehearsalError
from rehearsal.web_uis import WebUi

TIMEOUT = 10.0  # seconds until a request times out
EXCERPT_BYTES = 200  # bytes of an error response that a message quotes


@dataclass(frozen=True)
class Answer:
    """HTTP status of a web UI, and the SHA-256 (base64) of the public key in the web UI's TLS certificate."""

    status: int
    reason: str
    key: str


def show(console: Console, lab: Lab, wanted: str, port: int, *, once: bool) -> None:
    """Forward a port to a web UI until Ctrl-C, and print how to open the UI; without `wanted`, list all web UIs."""
    all_web_uis = web_uis.find_all(lab)
    if not wanted:
        _list(console, lab, all_web_uis)
        return
    with forwarded_web_ui(lab, web_uis.select(all_web_uis, wanted), port) as text:
        console.print(text, soft_wrap=True, markup=False)
        if not once:
            _wait(console, lab)


@contextmanager
def forwarded_web_ui(lab: Lab, web_ui: WebUi, port: int) -> Iterator[str]:
    """Forward a local port to a web UI during the `with` block; yield instructions for opening the web UI."""
    if web_ui.address is None:
        raise RehearsalError(
            f"{web_ui.served_by} has no IP address yet: check that Traefik's Service has an external IP with "
            "`./homelab rehearse kubectl -- get services -A`."
        )
    if not web_uis.answers(lab, web_ui):
        raise RehearsalError(
            f"The web UI {web_ui.host} accepts no connection at {web_ui.address}, port {web_uis.PORT}: "
            "check that Traefik runs with `./homelab rehearse kubectl -- get pods -n traefik`."
        )
    ca = web_uis.ca_certificate(lab, web_ui)

    def connect() -> socket.socket:
        connection = lab.netns.connect(str(web_ui.address), web_uis.PORT, TIMEOUT)
        connection.settimeout(None)  # a web UI may keep an idle connection open
        return connection

    with port_forward.forwarded(port, connect) as local_port, _public(ca) as ca_file:
        yield instructions(web_ui, local_port, check(web_ui, local_port, ca), ca_file)


def check(web_ui: WebUi, port: int, ca: str | None) -> Answer:
    """Request a web UI through the forwarded port; if the request fails, raise RehearsalError with the cause."""
    try:
        with (
            socket.create_connection((port_forward.LOOPBACK, port), TIMEOUT) as plain,
            _context(ca).wrap_socket(plain, server_hostname=web_ui.host) as connection,
        ):
            return _ask(web_ui, connection)
    except ssl.SSLCertVerificationError as error:
        raise RehearsalError(
            f"The certificate of {web_ui.host} cannot be verified with the lab's CA ({error.verify_message}): "
            "check that the certificate is ready with "
            f"`./homelab rehearse kubectl -- get certificates -n {web_ui.namespace}`."
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise RehearsalError(
            f"The web UI {web_ui.host} gives no valid HTTP response ({error or type(error).__name__}): "
            "read Traefik's log with `./homelab rehearse kubectl -- logs -n traefik deployment/traefik`."
        ) from None


def instructions(web_ui: WebUi, port: int, answer: Answer, ca: Path | None) -> str:
    """Return instructions for opening a web UI in a browser or with curl."""
    endpoint, url = f"{port_forward.LOOPBACK}:{port}", f"https://{web_ui.host}{web_ui.path}"
    browser = [
        f"--host-resolver-rules=MAP {web_ui.host} {endpoint}",
        f"--ignore-certificate-errors-spki-list={answer.key}",
    ]
    trust = ["--cacert", str(ca)] if ca else ["--insecure"]
    with_port = f"https://{web_ui.host}:{port}{web_ui.path}" if port != web_uis.PORT else url
    return "\n".join((
        f"{url} answers with {answer.status} {answer.reason}.",
        "",
        "To open the web UI in Chromium, Chrome, Edge or Brave, run this command as your own user, not as root.",
        "The browser uses a temporary profile, resolves the host to this computer, and accepts the certificate:",
        "",
        f'  chromium --user-data-dir="$(mktemp -d)" --no-first-run {shlex.join([*browser, url])}',
        "",
        f"To open {with_port} in any other browser:",
        f"  - add this line to /etc/hosts: {port_forward.LOOPBACK} {web_ui.host}",
        f"  - {_trusted(ca)}",
        "",
        "Without a browser:",
        "",
        f"  {shlex.join(['curl', *trust, '--connect-to', f'{web_ui.host}:{web_uis.PORT}:{endpoint}', url])}",
        "",
        "The port accepts connections only from the computer that runs `./homelab rehearse open`.",
    ))  # fmt: skip


def _trusted(ca: Path | None) -> str:
    if ca is None:
        return "accept the browser's warning, because the lab has no CA certificate for the web UI"
    return f"import the lab's CA certificate {ca} into the browser, and remove the certificate afterwards"


def _context(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca)
    if ca is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _ask(web_ui: WebUi, connection: ssl.SSLSocket) -> Answer:
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    request = http.client.HTTPConnection(web_ui.host, timeout=TIMEOUT)
    request.sock = connection
    request.request("GET", web_ui.path, headers={"User-Agent": "Mozilla/5.0 (rehearsal)", "Accept": "text/html"})
    answer = request.getresponse()
    if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        lines = answer.read(EXCERPT_BYTES).decode(errors="replace").splitlines()
        raise RehearsalError(
            f"The web UI {web_ui.host} answers with {answer.status} {answer.reason} "
            f"({lines[0] if lines else 'empty body'}): "
            f"check that the pods are ready with `./homelab rehearse kubectl -- get pods -n {web_ui.namespace}`."
        )
    return Answer(answer.status, answer.reason, base64.b64encode(hashlib.sha256(key).digest()).decode())


@contextmanager
def _public(ca: str | None) -> Iterator[Path | None]:
    """Yield a temporary file with the CA certificate `ca`, readable by every local user; yield None if `ca` is None."""
    if ca is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="homelab-") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "ca.pem")
        file.write_text(ca)
        file.chmod(0o644)
        yield file


def _wait(console: Console, lab: Lab) -> None:
    console.print("The port stays open until Ctrl-C.")
    previous_handler = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while lab.netns.exists:
            time.sleep(1)
        console.print("The lab was removed.")
    except KeyboardInterrupt:
        console.print("closed")
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


def _list(console: Console, lab: Lab, all_web_uis: Sequence[WebUi]) -> None:
    if not all_web_uis:
        raise RehearsalError(
            "The rehearsed lab has no web UI, because no Ingress and no Traefik route in the lab has a host."
        )
    table = Table(title="Web UIs", title_justify="left", box=None, pad_edge=False)
    for column in ("host", "served by", "address"):
        table.add_column(column, overflow="fold")
    for web_ui in all_web_uis:
        table.add_row(web_ui.host, web_ui.served_by, web_ui.address or "none yet")
    console.print(table)
    command = f"./homelab rehearse open --stack {lab.stack} {all_web_uis[0].host}"
    console.print(f"To open a web UI: {command}", soft_wrap=True)
