"""Access to a Pulumi stack: the stack file, and the secrets, outputs and state, which the Pulumi CLI reads."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from components.settings.model import NAMESPACE

PROJECT_FOLDER = Path(__file__).parent.parent
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a name

StackName = Annotated[str, typer.Option("--stack", help="Name of the Pulumi stack: the NAME in Pulumi.NAME.yaml.")]
StackFile = Annotated[
    Path | None,
    typer.Option(
        "--config-file", help="Path of the stack file, as in `pulumi --config-file`. Default: Pulumi.NAME.yaml."
    ),
]


class StackError(Exception):
    """A `./homelab` command cannot use a Pulumi stack; the error message states the cause and the fix."""


@dataclass
class Stack:
    """A Pulumi stack, which the stack name identifies."""

    name: str
    stack_file: Path | None = None
    """Path of the stack file; None means `Pulumi.NAME.yaml` in the project folder."""
    _environment: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The path of the stack file."""
        return self.stack_file or PROJECT_FOLDER / f"Pulumi.{self.name}.yaml"

    def secret(self, name: str) -> str:
        """Return the plaintext of a secret in the stack's configuration. Raises `StackError`."""
        file = ("--config-file", str(self.file.resolve()))
        return self._pulumi(f"the secret {name}", "config", "get", f"{NAMESPACE}:{name}", *file)

    def outputs(self) -> Mapping[str, Any]:
        """Return the stack outputs, with secret outputs in plaintext. Raises `StackError`."""
        outputs = json.loads(self._pulumi("the outputs", "stack", "output", "--json", "--show-secrets"))
        assert isinstance(outputs, dict)
        return outputs

    def resources(self) -> Sequence[Mapping[str, Any]]:
        """Return all resources in the stack's state; Pulumi marks each secret, and includes the plaintext.

        Raises `StackError`.
        """
        state = json.loads(self._pulumi("the state", "stack", "export", "--show-secrets"))
        return state["deployment"].get("resources") or ()

    def _pulumi(self, subject: str, *arguments: str) -> str:
        command = ["pulumi", *arguments, "--stack", self.name, "--non-interactive"]
        try:
            result = self._run(command)
            if result.returncode and _PASSPHRASE in result.stderr and sys.stdin.isatty():
                passphrase = typer.prompt(f"Passphrase of stack {self.name}", hide_input=True, err=True)
                self._environment[_PASSPHRASE] = passphrase
                result = self._run(command)
        except FileNotFoundError:
            raise StackError(
                f"homelab cannot read {subject} of stack {self.name}: `pulumi` is not installed."
            ) from None
        if result.returncode:
            raise StackError(f"Pulumi cannot read {subject} of stack {self.name}: {_cause(result.stderr)}")
        return result.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self._environment
        return subprocess.run(command, cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, check=False)


def _cause(stderr: str) -> str:
    """Return the last lines of Pulumi's error output, without warnings."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith("warning:")]
    return "\n".join(lines[-5:])
