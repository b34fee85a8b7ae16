"""A fake `pulumi` that prints outputs and secrets of a test, and records its arguments."""

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
    """The fake on PATH; initially it fails, as for a stack that does not exist."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        folder.mkdir()
        program = folder / "pulumi"
        program.write_text(PROGRAM.format(folder=folder))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    def set_outputs(self, **outputs: Any) -> None:
        """Set the outputs that it prints."""
        (self._folder / "outputs").write_text(json.dumps(outputs))

    def set_secret(self, secret: str) -> None:
        """Set the value that it prints for every secret."""
        (self._folder / "secret").write_text(secret)

    @property
    def calls(self) -> list[str]:
        """The arguments of each call."""
        file = self._folder / "asked"
        return file.read_text().splitlines() if file.exists() else []
