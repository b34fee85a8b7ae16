"""Programs this computer runs for the rehearsal."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


class RehearsalError(Exception):
    """What stopped the rehearsal, and what to do next: shown to the user as it is."""


def run(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: IO[str] | None = None,
) -> str:
    """Run `command` to its end and return what it printed; fails with its last lines.

    With `log` its output goes there instead and nothing is returned.
    """
    done = subprocess.run(
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
    if done.returncode:
        where = f"see {log.name}" if log else _last_lines(done.stderr or done.stdout)
        raise RehearsalError(f"`{_shown(command)}` ended with {done.returncode}: {where}")
    return done.stdout or ""


def _shown(command: Sequence[str | Path]) -> str:
    words = " ".join(str(word) for word in command)
    return words if len(words) < 200 else f"{words[:200]}…"


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-8:]) or "it said nothing"
