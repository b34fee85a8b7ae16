"""Steady traffic to the API, through the virtual address: as of a program that tries again what failed."""

import base64
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import yaml

from tests.rehearsal.bench import Rehearsal

PAUSE = 0.2  # seconds between requests
LAST = 60  # seconds for the last request, once nobody waits for more
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class Client:
    """Who has the stack's kubeconfig. Each request has a connection of its own, and a second."""

    def __init__(self, lab: Rehearsal, folder: Path) -> None:
        self._lab = lab
        kubeconfig = yaml.safe_load(lab.lab.kubeconfig.read_text())
        (cluster,), (user,) = kubeconfig["clusters"], kubeconfig["users"]
        held = cluster["cluster"] | user["user"]
        self._url = str(held["server"])
        self._options = ["--silent", "--max-time", "1", "--output", "/dev/null", "--write-out", "%{http_code}"]
        names = {
            "cacert": "certificate-authority-data",
            "cert": "client-certificate-data",
            "key": "client-key-data",
        }
        for option, name in names.items():
            file = folder / option
            file.write_bytes(base64.b64decode(held[name]))
            self._options += [f"--{option}", str(file)]

    def ask(self, path: str, *options: str) -> str:
        """The HTTP status of the answer; 000 if there is none."""
        command = self._lab.lab.namespace.command("curl", *self._options, *options, self._url + path)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def reads(self, number: int) -> bool:
        """Whether an object was read."""
        return self.ask(f"{CONFIGMAPS}/kube-root-ca.crt?{number}") == "200"

    def writes(self, number: int) -> bool:
        """Whether a numbered object is there: by this request, or by an earlier one whose answer was lost."""
        body = f'{{"metadata": {{"name": "canary-{number}"}}}}'
        header = "Content-Type: application/json"
        return self.ask(CONFIGMAPS, "--header", header, "--data", body) in ("201", "409")

    def lost(self, written: int) -> set[int]:
        """Which of the numbers that were acknowledged are not there."""
        names = self._lab.kubectl("get", "configmaps", "-o", "name").split()
        return {number for number in range(written) if f"configmap/canary-{number}" not in names}


class Traffic:
    """Numbered requests, one after the other, each repeated until it succeeds, until the block ends."""

    def __init__(self, succeeds: Callable[[int], bool]) -> None:
        self._succeeds = succeeds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        """Requests that succeeded, at once or in the end."""
        self.failed = 0
        """Those that had to be repeated."""
        self.unhealed = 0
        """Those of them that no repetition within a second healed."""
        self.longest = 0.0
        """Seconds until a request had succeeded, at the longest."""

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(PAUSE):
            began, failed = time.monotonic(), 0.0
            while not self._succeeds(self.answered):
                failed = failed or time.monotonic()
                if self._end.is_set() and time.monotonic() - began > LAST:
                    self.unhealed += 1
                    return
                time.sleep(0.05)
            now = time.monotonic()
            self.answered += 1
            self.failed += bool(failed)
            self.unhealed += bool(failed) and now - failed > 1
            self.longest = max(self.longest, now - began)

    def __str__(self) -> str:
        repeated = f"{self.failed} repeated, {self.unhealed} for more than a second"
        return f"{self.answered} requests, {repeated}, {self.longest:.1f} s at most"
