"""Runs external commands on the host."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


class RehearsalError(Exception):
    """An expected error of the rehearsal; the message states the cause, and the fix for the user."""


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: IO[str] | None = None,
) -> str:
    """Run `command` and return its output; if `command` fails, raise RehearsalError with the last lines of output.

    If `log` is set, write all output to `log` and return an empty string.
    """
    process = subprocess.run(
        [str(word) for word in command],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        stdout=log or subprocess.PIPE,
        stderr=subprocess.STDOUT if log else subprocess.PIPE,
        text=True,
        env=env,
        cwd=cwd,
        check=False,
    )
    if process.returncode:
        details = f"read {log.name}" if log else _last_lines(process.stderr or process.stdout)
        raise RehearsalError(f"`{_shown(command)}` exited with code {process.returncode}: {details}")
    return process.stdout or ""


def _shown(command: Sequence[str | Path]) -> str:
    text = " ".join(str(word) for word in command)
    return text if len(text) < 200 else f"{text[:200]}…"


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-8:]) or "no output"
