"""Opens web UIs of `rehearse open` in the installed Chromium, or in Debian's Chromium from the rehearsal's cache."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rehearsal import debian
from rehearsal.cache import Recipe, Report, code_of, obtain
from rehearsal.network_namespace import wait
from rehearsal.shell import RehearsalError

INSTALLED = shutil.which("chromium") is not None
PACKAGES = ("chromium", "fonts-dejavu-core")
TIMEOUT = 300.0  # seconds until Chromium is killed
HTML = "document.documentElement?.outerHTML ?? ''"  # a document that is being loaded may be empty
# without the sandbox, which Chromium cannot use as root; commands come as --remote-debugging-pipe wants them
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800", "--remote-debugging-pipe")
PIPES = "3<&0 4>&1 </dev/null >/dev/null"
# `unshare` gives the script a new mount namespace, so the mounts disappear when Chromium ends
ENTER_SCRIPT = """
mount -t tmpfs tmpfs "$1/tmp"
for name in dev proc; do mount --rbind "/$name" "$1/$name"; done
cd "$1"
shift
exec env --ignore-environment HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . "$@"
"""


@dataclass
class Page:
    """A page in Chromium, which tests control through the Chrome DevTools Protocol."""

    process: subprocess.Popen[bytes]
    session: dict[str, str] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _received: bytes = b""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return the result."""
        number = next(self._numbers)
        assert self.process.stdin
        message = {"id": number, "method": method, "params": parameters, **self.session}
        self.process.stdin.write(json.dumps(message).encode() + b"\0")
        self.process.stdin.flush()
        answer = next(answer for answer in iter(self._message, None) if answer.get("id") == number)
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def attach(self) -> None:
        """Attach to the first page that Chromium has."""
        wait(lambda: bool(self._pages()), TIMEOUT / 2, lambda: "Chromium opens no page.")
        self.session = {
            "sessionId": self.call("Target.attachToTarget", targetId=self._pages()[0], flatten=True)["sessionId"]
        }

    def wait_for(self, text: str) -> None:
        """Wait until the page's HTML contains `text`."""
        wait(lambda: text in self._html(), TIMEOUT / 2, self._html)

    def write(self, selector: str, text: str) -> None:
        """Click an element, and type `text`."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)

    def screenshot(self, picture: Path) -> bytes:
        """Store a screenshot in a file, and return its bytes."""
        picture.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        return picture.read_bytes()

    def _pages(self) -> list[str]:
        targets = self.call("Target.getTargets")["targetInfos"]
        return [target["targetId"] for target in targets if target["type"] == "page"]

    def _html(self) -> str:
        return str(self.evaluate(HTML))

    def _message(self) -> dict[str, Any]:
        assert self.process.stdout
        while b"\0" not in self._received:
            content = self.process.stdout.read1()  # type: ignore[attr-defined]  # of its reader
            assert content, "Chromium ended"
            self._received += content
        message, _, self._received = self._received.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


@dataclass(frozen=True)
class Chromium:
    """Chromium on the PATH, or in the root file system `system`."""

    system: Path | None = None

    @contextmanager
    def opened(self, said: str) -> Iterator[Page]:
        """Open a web UI with the command line in the output `said` of `rehearse open`, but headless."""
        (words,) = re.findall(r"^  chromium (.*)$", said, re.MULTILINE)
        command = [*self._enter(), "sh", "-c", f'exec chromium "$@" {words} {PIPES}', "sh", *OPTIONS]
        with (
            tempfile.TemporaryFile() as log,
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            timer = threading.Timer(TIMEOUT, process.kill)
            timer.start()
            try:
                page = Page(process)
                page.attach()
                yield page
            except (AssertionError, RehearsalError) as error:
                log.seek(0)
                error.add_note(log.read().decode(errors="replace")[-2000:])
                raise
            finally:
                timer.cancel()
                process.kill()

    def _enter(self) -> list[str]:
        if not self.system:
            return []
        return ["unshare", "--mount", "--propagation=private", "sh", "-euc", ENTER_SCRIPT, "chromium", str(self.system)]


def ensure(report: Report) -> Chromium:
    """Return the installed Chromium; without one, Debian's packages are unpacked into the cache, which needs root."""
    return Chromium() if INSTALLED else Chromium(obtain(recipe(), report) / "system")


def recipe() -> Recipe:
    """Recipe of a Debian root file system with Chromium: 1 GB, with unpacked but unconfigured packages."""

    def make(folder: Path) -> None:
        system = debian.unpack(PACKAGES, folder)
        shutil.rmtree(system / debian.ARCHIVES)
        if (system / "proc").is_symlink():  # as debootstrap leaves it in a container
            (system / "proc").unlink()
            (system / "proc").mkdir()

    ingredients = (*PACKAGES, code_of(debian.__file__))
    return Recipe("chromium", debian.RELEASE, ingredients, "from Debian's packages, two minutes", make)
