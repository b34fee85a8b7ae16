"""The stack that a command is about: its file, and what only Pulumi can tell of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from components.model import NAMESPACE

PROJECT = Path(__file__).parent.parent
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"  # noqa: S105 - a name

StackName = Annotated[str, typer.Option("--stack", help="The stack: the NAME in Pulumi.NAME.yaml.")]
StackFile = Annotated[
    Path | None,
    typer.Option("--config-file", help="Its file, where that is another one, as `pulumi --config-file` takes it."),
]


class StackError(Exception):
    """Pulumi does not tell. The text says what was asked, why it was not told, and what to do."""


@dataclass
class Stack:
    """A stack by its name."""

    name: str
    given: Path | None = None
    """Its file, if it is not the project's own."""
    _more: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """Where its configuration is."""
        return self.given or PROJECT / f"Pulumi.{self.name}.yaml"

    def secret(self, name: str) -> str:
        """Return a secret of its configuration. Raises `StackError`."""
        file = ("--config-file", str(self.file.resolve()))
        return self._pulumi(f"the secret {name}", "config", "get", f"{NAMESPACE}:{name}", *file)

    def outputs(self) -> Mapping[str, Any]:
        """Return what `pulumi up` put out, secret outputs in clear. Raises `StackError`."""
        found = json.loads(self._pulumi("the outputs", "stack", "output", "--json", "--show-secrets"))
        assert isinstance(found, dict)
        return found

    def resources(self) -> Sequence[Mapping[str, Any]]:
        """Return what Pulumi keeps of every resource, secrets marked and in clear. Raises `StackError`."""
        found = json.loads(self._pulumi("its state", "stack", "export", "--show-secrets"))
        return found["deployment"].get("resources") or ()

    def _pulumi(self, what: str, *arguments: str) -> str:
        command = ["pulumi", *arguments, "--stack", self.name, "--non-interactive"]
        try:
            done = self._run(command)
            if done.returncode and _PASSPHRASE in done.stderr and sys.stdin.isatty():
                hidden = typer.prompt(f"Passphrase of stack {self.name}", hide_input=True, err=True)
                self._more[_PASSPHRASE] = hidden
                done = self._run(command)
        except FileNotFoundError:
            raise StackError(f"{what} of stack {self.name}: there is no program `pulumi` here.") from None
        if done.returncode:
            raise StackError(f"{what} of stack {self.name}: Pulumi does not tell: {_cause(done.stderr)}")
        return done.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = os.environ | self._more
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def _cause(said: str) -> str:
    """The lines that say why; warnings about versions do not."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("warning:")]
    return "\n".join(lines[-5:])
