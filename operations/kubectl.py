"""Runs kubectl with a kubeconfig, which homelab stores in a private temporary file only while a command runs."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from provider.printable import printable

Object = Mapping[str, Any]
_INSTALL = "`kubectl` is not installed: install kubectl (https://kubernetes.io/docs/tasks/tools/)."


def label_selector(labels: Mapping[str, str]) -> str:
    """Return the label selector of objects with all of the labels."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


class KubectlError(Exception):
    """A kubectl command failed; the error message states the cause, and the fix if homelab knows a fix."""


@dataclass(frozen=True)
class Kubectl:
    """Runs kubectl commands with one kubeconfig in one namespace."""

    kubeconfig: Path
    namespace: str
    denied_fix: str
    """The fix in error messages about requests that the Kubernetes API has denied."""

    def items(self, *arguments: str) -> list[Object]:
        """Return the Kubernetes objects that `kubectl get` lists. Raises `KubectlError`."""
        return list(json.loads(self.output("get", *arguments, "--output=json"))["items"])

    def find(self, kind: str, name: str) -> Object | None:
        """Return a Kubernetes object from the cluster, or `None` if the object does not exist. Raises
        `KubectlError`."""
        text = self.output("get", kind, name, "--ignore-not-found", "--output=json")
        return json.loads(text) if text.strip() else None

    def output(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a kubectl command that must succeed, and return its output. Raises `KubectlError`."""
        result = self.result(*arguments, stdin=stdin)
        if result.returncode:
            raise KubectlError(self._explain(" ".join(arguments[:2]), result.stderr))
        return result.stdout

    def result(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a kubectl command, and return its exit code and output. Raises `KubectlError` if kubectl is not
        installed."""
        how: dict[str, Any] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        try:
            return subprocess.run(self._command(arguments), capture_output=True, text=True, check=False, **how)
        except FileNotFoundError:
            raise KubectlError(_INSTALL) from None

    def attach(self, *arguments: str) -> int:
        """Run a kubectl command on the user's terminal, and return its exit code. Raises `KubectlError`."""
        try:
            return subprocess.run(self._command(arguments), check=False).returncode
        except FileNotFoundError:
            raise KubectlError(_INSTALL) from None

    def stream(self, *arguments: str) -> int:
        """Print the output of a kubectl command line by line, and return the exit code. Raises `KubectlError`.

        Logs are untrusted text, so homelab removes terminal control sequences from the printed lines.
        """
        try:
            with subprocess.Popen(
                self._command(arguments), stdout=subprocess.PIPE, text=True, encoding="utf-8", errors="replace"
            ) as process:
                for line in process.stdout or ():
                    typer.echo(printable(line), nl=False)
        except FileNotFoundError:
            raise KubectlError(_INSTALL) from None
        return process.returncode

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return ["kubectl", f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]

    def _explain(self, command: str, stderr: str) -> str:
        cause = stderr.strip() or "kubectl printed no error"
        text = f"`kubectl {command}` failed: {cause}"
        if "(Forbidden)" in stderr or "(Unauthorized)" in stderr or "must be logged in" in stderr:
            return f"{text}\n{self.denied_fix}"
        if "Unable to connect to the server" in stderr or "connection refused" in stderr:
            return f"{text}\nRun `./homelab doctor` to check the Kubernetes API."
        return text


@contextmanager
def kubectl(kubeconfig: str, namespace: str, denied_fix: str) -> Iterator[Kubectl]:
    """Yield kubectl with a kubeconfig file that only the current user can read, and delete the file afterwards."""
    with TemporaryDirectory(prefix="homelab-") as folder:
        file = Path(folder) / "kubeconfig"
        file.touch(mode=0o600)
        file.write_text(kubeconfig, encoding="utf-8")
        yield Kubectl(file, namespace, denied_fix)
