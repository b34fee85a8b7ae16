"""A page of the lab in this computer's own browser: a way to it, whether it answers, and what to click."""

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

from rehearsal import forward, pages
from rehearsal.lab import Lab
from rehearsal.pages import Page
from rehearsal.shell import RehearsalError

PATIENCE = 10.0  # seconds for one answer
EXCERPT = 200  # bytes of an answer that is none


@dataclass(frozen=True)
class Answer:
    """What a page says, and the digest of its key by which a browser can know it."""

    status: int
    reason: str
    key: str


def show(console: Console, lab: Lab, wanted: str, port: int, *, once: bool) -> None:
    """Make a way to the page, see that it answers, and say how to open it, until Ctrl-C; or list all pages."""
    there = pages.found(lab)
    if not wanted:
        _list(console, lab, there)
        return
    with opened(lab, pages.chosen(there, wanted), port) as said:
        console.print(said, soft_wrap=True, markup=False)
        if not once:
            _wait(console, lab)


@contextmanager
def opened(lab: Lab, page: Page, port: int) -> Iterator[str]:
    """A way to a page that answers, for as long as the block runs; yields how to open it."""
    if page.address is None:
        raise RehearsalError(f"{page.of} has no address yet: see `./homelab rehearse kubectl -- get services -A`.")
    if not pages.answers(lab, page):
        raise RehearsalError(
            f"Nothing takes connections at {page.address}, port {pages.PORT}, where {page.host} is served: "
            "see whether Traefik runs, `./homelab rehearse kubectl -- get pods -n traefik`."
        )
    authority = pages.authority(lab, page)

    def connect() -> socket.socket:
        connection = lab.namespace.connect(str(page.address), pages.PORT, PATIENCE)
        connection.settimeout(None)  # a page may keep one open, and say nothing for long
        return connection

    with forward.forwarded(port, connect) as taken, _public(authority) as file:
        yield guidance(page, taken, look(page, taken, authority), file)


def look(page: Page, port: int, authority: str | None) -> Answer:
    """Ask for the page at a port of this computer, as a browser would; fails where it is not there, and says why."""
    try:
        with (
            socket.create_connection((forward.LOOPBACK, port), PATIENCE) as plain,
            _context(authority).wrap_socket(plain, server_hostname=page.host) as connection,
        ):
            return _ask(page, connection)
    except ssl.SSLCertVerificationError as error:
        raise RehearsalError(
            f"The lab's authority does not vouch for the certificate of {page.host} ({error.verify_message}): "
            f"see whether it is ready, `./homelab rehearse kubectl -- get certificates -n {page.namespace}`."
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise RehearsalError(
            f"{page.host} does not answer as a page does ({error or type(error).__name__}): "
            "see what Traefik says, `./homelab rehearse kubectl -- logs -n traefik deployment/traefik`."
        ) from None


def guidance(page: Page, port: int, answer: Answer, authority: Path | None) -> str:
    """How to open a page, in plain words."""
    here, url = f"{forward.LOOPBACK}:{port}", f"https://{page.host}{page.path}"
    browser = [f"--host-resolver-rules=MAP {page.host} {here}", f"--ignore-certificate-errors-spki-list={answer.key}"]
    trust = ["--cacert", str(authority)] if authority else ["--insecure"]
    with_port = f"https://{page.host}:{port}{page.path}" if port != pages.PORT else url
    return "\n".join((
        f"{url} answers: {answer.status} {answer.reason}.",
        "",
        "To see it in Chromium, Chrome, Edge or Brave, run this as yourself, not as root. Its window knows the name",
        "and the certificate, and nothing of it stays in your own browser:",
        "",
        f'  chromium --user-data-dir="$(mktemp -d)" --no-first-run {shlex.join([*browser, url])}',
        "",
        f"Any other browser opens {with_port} once",
        f"  - /etc/hosts has the line: {forward.LOOPBACK} {page.host}",
        f"  - {_trusted(authority)}",
        "",
        "Without a browser:",
        "",
        f"  {shlex.join(['curl', *trust, '--connect-to', f'{page.host}:{pages.PORT}:{here}', url])}",
        "",
        "The port is open to programs of this computer alone.",
    ))  # fmt: skip


def _trusted(authority: Path | None) -> str:
    if authority is None:
        return "you go on past its warning: the lab has no authority that vouches for the page"
    return f"it trusts the lab's authority, {authority}; import it, and delete it there afterwards"


def _context(authority: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _ask(page: Page, connection: ssl.SSLSocket) -> Answer:
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    asked = http.client.HTTPConnection(page.host, timeout=PATIENCE)
    asked.sock = connection
    asked.request("GET", page.path, headers={"User-Agent": "Mozilla/5.0 (rehearsal)", "Accept": "text/html"})
    answer = asked.getresponse()
    if answer.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
        lines = answer.read(EXCERPT).decode(errors="replace").splitlines()
        raise RehearsalError(
            f"{page.host} answers with {answer.status} {answer.reason} ({lines[0] if lines else 'and no word'}): "
            f"see whether its pods are ready, `./homelab rehearse kubectl -- get pods -n {page.namespace}`."
        )
    return Answer(answer.status, answer.reason, base64.b64encode(hashlib.sha256(key).digest()).decode())


@contextmanager
def _public(authority: str | None) -> Iterator[Path | None]:
    """A file with a certificate that every user of this computer may read, unlike the lab's folder; or None."""
    if authority is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="homelab-") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "ca.pem")
        file.write_text(authority)
        file.chmod(0o644)
        yield file


def _wait(console: Console, lab: Lab) -> None:
    console.print("It stays open until Ctrl-C.")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while lab.namespace.exists:
            time.sleep(1)
        console.print("The lab is gone.")
    except KeyboardInterrupt:
        console.print("closed")
    finally:
        signal.signal(signal.SIGTERM, before)


def _list(console: Console, lab: Lab, there: Sequence[Page]) -> None:
    if not there:
        raise RehearsalError("The lab serves no page: no Ingress in it names a host.")
    table = Table(title="Pages", title_justify="left", box=None, pad_edge=False)
    for column in ("host", "of", "address"):
        table.add_column(column, overflow="fold")
    for page in there:
        table.add_row(page.host, page.of, page.address or "none yet")
    console.print(table)
    console.print(f"Open one:  ./homelab rehearse open --stack {lab.stack} {there[0].host}", soft_wrap=True)
