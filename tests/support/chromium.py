"""Debian's Chromium on a web UI that `rehearse open` forwards: the installed one, or one in the rehearsal's cache."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal import debian
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.shell import run

INSTALLED = shutil.which("chromium") is not None
PACKAGES = ("chromium", "fonts-dejavu-core")
VIRTUAL_TIME_MS = 10_000  # milliseconds of the page's own clock, which stands still while something is loaded
ATTEMPTS = 3
HERE = "/tmp/here"  # in a temporary file system of its own
# `unshare` gives the script a new mount namespace, so the mounts disappear when Chromium ends
ENTER_SCRIPT = f"""
mount -t tmpfs tmpfs "$1/tmp"
mkdir "$1{HERE}"
mount --bind "$2" "$1{HERE}"
for name in dev proc; do mount --rbind "/$name" "$1/$name"; done
cd "$1"
shift 2
exec env --ignore-environment HOME=/tmp PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . "$@"
"""


@dataclass(frozen=True)
class Chromium:
    """Chromium on the PATH, or in the root file system `system`."""

    system: Path | None = None

    def dump_dom(self, said: str) -> str:
        """Return the web UI's DOM, with Chromium started as the instructions say."""
        return self._run(said, "--dump-dom")

    def screenshot(self, said: str, picture: Path) -> bytes:
        """Take a screenshot of the web UI, store it in a file, and return its bytes."""
        seen = f"{HERE}/{picture.name}" if self.system else picture
        for _ in range(ATTEMPTS):  # on a busy computer it was seen to end well without one
            options = ("--window-size=1200,800", f"--screenshot={seen}")
            printed = self._run(said, *options, errors="2>&1", folder=picture.parent)
            if picture.exists():
                return picture.read_bytes()
        raise AssertionError(f"Chromium made no picture: {printed}")

    def _run(self, said: str, *options: str, errors: str = "", folder: Path = Path("/")) -> str:
        """Run Chromium headless, and without its sandbox, which it cannot use as root."""
        (words,) = re.findall(r"^  chromium (.*)$", said, re.MULTILINE)
        alone = ("--headless", "--no-sandbox", "--disable-gpu", f"--virtual-time-budget={VIRTUAL_TIME_MS}")
        return run([*self.enter(folder), "sh", "-c", f'chromium "$@" {words} {errors}', "sh", *alone, *options])

    def enter(self, folder: Path) -> list[str]:
        """Return the words before a command that runs where Chromium is, with `folder` of the host at HERE."""
        if not self.system:
            return []
        unshared = ["unshare", "--mount", "--propagation=private", "sh", "-euc", ENTER_SCRIPT, "chromium"]
        return [*unshared, str(self.system), str(folder)]


def ensure(report: Report) -> Chromium:
    """Return the installed Chromium; without one, Debian's packages are unpacked into the cache, which needs root."""
    return Chromium() if INSTALLED else Chromium(obtain(recipe(), report) / "system")


def recipe() -> Recipe:
    """A root file system of Debian with Chromium: 900 MB, and not configured."""

    def make(folder: Path) -> None:
        system = debian.unpack(PACKAGES, folder)
        shutil.rmtree(system / debian.ARCHIVES)
        if (system / "proc").is_symlink():  # as debootstrap leaves it in a container
            (system / "proc").unlink()
            (system / "proc").mkdir()

    ingredients = (*PACKAGES, Path(debian.__file__).read_bytes(), Path(__file__).read_bytes())
    return Recipe("chromium", debian.RELEASE, ingredients, "from Debian's packages, two minutes", make)
