"""Debian's Chromium, if it is installed, on a web UI that `rehearse open` forwards."""

import re
import shutil
from pathlib import Path

from rehearsal.shell import run

INSTALLED = shutil.which("chromium") is not None
VIRTUAL_TIME_MS = 10_000  # milliseconds of the page's own clock, which stands still while something is loaded
ATTEMPTS = 3


def dump_dom(said: str) -> str:
    """Return the web UI's DOM, with Chromium started as the instructions say."""
    return _run(said, "--dump-dom")


def screenshot(said: str, picture: Path) -> bytes:
    """Take a screenshot of the web UI, store it in a file, and return its bytes."""
    for _ in range(ATTEMPTS):  # on a busy computer it was seen to end well without one
        printed = _run(said, "--window-size=1200,800", f"--screenshot={picture}", errors="2>&1")
        if picture.exists():
            return picture.read_bytes()
    raise AssertionError(f"Chromium made no picture: {printed}")


def _run(said: str, *options: str, errors: str = "") -> str:
    """Run Chromium headless, and without its sandbox, which it cannot use as root."""
    (words,) = re.findall(r"^  chromium (.*)$", said, re.MULTILINE)
    alone = ("--headless", "--no-sandbox", "--disable-gpu", f"--virtual-time-budget={VIRTUAL_TIME_MS}")
    return run(["sh", "-c", f'chromium "$@" {words} {errors}', "sh", *alone, *options])
