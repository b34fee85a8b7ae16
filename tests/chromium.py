"""Debian's Chromium, where it is installed, on a page that `rehearse open` opens."""

import re
import shutil

from rehearsal.shell import run

THERE = shutil.which("chromium") is not None


def seen(said: str) -> str:
    """What it makes of the page, run as the guidance says; root has it without its sandbox and a screen."""
    (words,) = re.findall(r"^  chromium (.*)$", said, re.MULTILINE)
    alone = "--headless --no-sandbox --disable-gpu --virtual-time-budget=5000 --dump-dom"
    return run(["sh", "-c", f"chromium {alone} {words}"])
