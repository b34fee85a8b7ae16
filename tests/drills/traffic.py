"""Steady traffic to the Kubernetes API through its virtual IP, from a client that retries failed requests."""

import base64
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import yaml

from tests.rehearsal.rehearsed_lab import RehearsedLab

INTERVAL = 0.2  # seconds between requests
FINAL_TIMEOUT = 60  # seconds until the last request fails, after the block has ended
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


class ApiClient:
    """A client with the stack's kubeconfig. Each request has a new connection and a timeout of one second."""

    def __init__(self, lab: RehearsedLab, folder: Path) -> None:
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

    def status_of(self, path: str, *options: str) -> str:
        """Send a request; return the HTTP status, or 000 without a response."""
        command = self._lab.lab.netns.command("curl", *self._options, *options, self._url + path)
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def can_read(self, number: int) -> bool:
        """Read an object; return whether that succeeded."""
        return self.status_of(f"{CONFIGMAPS}/kube-root-ca.crt?{number}") == "200"

    def can_write(self, number: int) -> bool:
        """Create a numbered object; return whether it exists, now or from a request whose response was lost."""
        body = f'{{"metadata": {{"name": "canary-{number}"}}}}'
        header = "Content-Type: application/json"
        return self.status_of(CONFIGMAPS, "--header", header, "--data", body) in ("201", "409")

    def missing_objects(self, written: int) -> set[int]:
        """Return the numbers of acknowledged objects that do not exist."""
        names = self._lab.kubectl("get", "configmaps", "-o", "name").split()
        return {number for number in range(written) if f"configmap/canary-{number}" not in names}


class Traffic:
    """Sends numbered requests until the block ends, one at a time, each repeated until it succeeds."""

    def __init__(self, succeeds: Callable[[int], bool]) -> None:
        self._succeeds = succeeds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answered = 0
        """Number of requests that succeeded, at once or after repetitions."""
        self.repeated = 0
        """Number of requests that had to be repeated."""
        self.failing = 0
        """Number of requests that still failed a second after their first failure."""
        self.longest_wait = 0.0
        """Longest time until a request succeeded, in seconds."""

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL):
            start, failed = time.monotonic(), 0.0
            while not self._succeeds(self.answered):
                failed = failed or time.monotonic()
                if self._end.is_set() and time.monotonic() - start > FINAL_TIMEOUT:
                    self.failing += 1
                    return
                time.sleep(0.05)
            now = time.monotonic()
            self.answered += 1
            self.repeated += bool(failed)
            self.failing += bool(failed) and now - failed > 1
            self.longest_wait = max(self.longest_wait, now - start)

    def __str__(self) -> str:
        repeated = f"{self.repeated} repeated, {self.failing} for more than a second"
        return f"{self.answered} requests, {repeated}, {self.longest_wait:.1f} s at most"
