"""The checks that run nothing: style, types, shell."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.settings_fixtures import ROOT

PROGRAMS = Path(sys.executable).parent
SCRIPTS = ROOT / "components/scripts"
LIBRARY = SCRIPTS / "lib.sh"


def passes(*command: str, given: str | None = None) -> None:
    program, *arguments = command
    done = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=ROOT, input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def files() -> Iterator[Path]:
    """The project's own files, whether or not it is a git repository."""
    for top in sorted(ROOT.iterdir()):
        if top.is_file():
            yield top
        elif not top.name.startswith(".") or top.name in (".ci", ".github"):
            yield from sorted(path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def is_shell(path: Path) -> bool:
    with path.open("rb") as content:
        first = content.readline(100)
    return first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"/bash", b" bash", b" sh"))


SHELL = [str(path.relative_to(ROOT)) for path in files() if is_shell(path)]


def test_ruff_finds_nothing() -> None:
    passes("ruff", "check")


def test_ruff_would_format_nothing() -> None:
    passes("ruff", "format", "--check")


def test_mypy_finds_nothing() -> None:
    passes("mypy", "--strict", ".")


def test_shell_programs_are_found() -> None:
    assert {"homelab", ".ci/run", "rehearsal/run-machine"} <= set(SHELL)


@pytest.mark.parametrize("script", SHELL)
def test_shellcheck_finds_nothing(script: str) -> None:
    passes("shellcheck", script)


@pytest.mark.parametrize("script", sorted(SCRIPTS.rglob("*.sh")), ids=lambda path: str(path.relative_to(SCRIPTS)))
def test_shellcheck_finds_nothing_in_what_machines_run(script: Path) -> None:
    parts = [LIBRARY] if script == LIBRARY else [LIBRARY, script]
    passes("shellcheck", "--shell=bash", "-", given="".join(part.read_text() for part in parts))
