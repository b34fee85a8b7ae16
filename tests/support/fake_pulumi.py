"""A program `pulumi` that tells what a test gives it, and notes how it was asked."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """#!/bin/sh
echo "$@" >>{folder}/asked
case "$*" in
  *"config get"*) cat {folder}/secret 2>/dev/null ;;
  *"stack output"*) cat {folder}/outputs 2>/dev/null ;;
esac && exit 0
echo "error: no stack named 'lab' found" >&2
exit 255
"""


class FakePulumi:
    """What it tells; nothing at first, as of a stack that was never made."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        program = folder / "pulumi"
        program.write_text(PROGRAM.format(folder=folder))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def set_outputs(self, **outputs: Any) -> None:
        """Have it tell these outputs."""
        (self._folder / "outputs").write_text(json.dumps(outputs))

    def set_secret(self, secret: str) -> None:
        """Have it tell this secret, whichever it is asked for."""
        (self._folder / "secret").write_text(secret)

    @property
    def calls(self) -> list[str]:
        """How it was asked."""
        file = self._folder / "asked"
        return file.read_text().splitlines() if file.exists() else []
