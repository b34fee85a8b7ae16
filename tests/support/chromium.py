"""Debian's Chromium, where it is installed, on a page that `rehearse open` opens."""

import re
import shutil
from pathlib import Path

from rehearsal.shell import run

INSTALLED = shutil.which("chromium") is not None
VIRTUAL_TIME = 10_000  # milliseconds of the page's own clock, which stands still while something is loaded
ATTEMPTS = 3


def dump_dom(said: str) -> str:
    """What it makes of a page, run as the guidance says."""
    return _run(said, "--dump-dom")


def screenshot(said: str, picture: Path) -> bytes:
    """A screenshot of a page, which is kept in a file."""
    for _ in range(ATTEMPTS):  # on a busy computer it was seen to end well without one
        printed = _run(said, "--window-size=1200,800", f"--screenshot={picture}", errors="2>&1")
        if picture.exists():
            return picture.read_bytes()
    raise AssertionError(f"Chromium made no picture: {printed}")


def _run(said: str, *options: str, errors: str = "") -> str:
    """Without a screen; and without its sandbox, which it does not have for root."""
    (words,) = re.findall(r"^  chromium (.*)$", said, re.MULTILINE)
    alone = ("--headless", "--no-sandbox", "--disable-gpu", f"--virtual-time-budget={VIRTUAL_TIME}")
    return run(["sh", "-c", f'chromium "$@" {words} {errors}', "sh", *alone, *options])
