"""The script that creates or upgrades MariaDB's files, with programs that only record their calls."""

import os
import subprocess
from pathlib import Path

import pytest

from components.app import mariadb

SCRIPT = Path(mariadb.__file__).with_name("mariadb_prepare.sh").read_text()
PROGRAMS = {
    "mariadbd": """case "$*" in *--version) echo "mariadbd $VERSION"; exit 0 ;; esac
[ "$SERVER" = fails ] && exit 1
echo "server $*" >>"$CALLS"
echo $$ >"$CALLS.pid"
trap 'exit 0' TERM
while :; do sleep 0.1; done""",
    "mariadb-install-db": """for word; do case "$word" in --datadir=*) folder=${word#*=} ;; esac; done
echo install >>"$CALLS"
mkdir "$folder"
[ "$INSTALL" = fails ] && exit 1
touch "$folder/complete" """,
    "mariadb-admin": """case "$*" in
  *ping) grep -q ^server "$CALLS" ;;
  *shutdown) echo shutdown >>"$CALLS"; kill "$(cat "$CALLS.pid")" ;;
esac""",
    "mariadb-upgrade": """echo upgrade >>"$CALLS"; [ "$UPGRADE" != fails ]""",
    "sync": "true",
}


class Volume:
    """A volume, and the calls of the last run of the script."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.calls = folder / "volume", folder / "bin", folder / "calls"
        for path in (self.folder, self.bin, folder / "run"):
            path.mkdir()
        for name, script in PROGRAMS.items():
            (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
            (self.bin / name).chmod(0o755)

    def prepare(self, version: str = "11.8.3", **fails: str) -> tuple[int, list[str]]:
        """Run the script; return its exit code, and the first words of the calls."""
        self.calls.write_text("")
        variables = {"PATH": f"{self.bin}:{os.environ['PATH']}", "CALLS": str(self.calls), "VERSION": version}
        empty = dict.fromkeys(("SERVER", "INSTALL", "UPGRADE"), "")
        command = ["sh", "-euc", SCRIPT, "prepare", str(self.folder), str(self.folder.with_name("run"))]
        done = subprocess.run(command, env={**empty, **fails, **variables}, check=False, timeout=60)
        return done.returncode, [line.split()[0] for line in self.calls.read_text().splitlines()]


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def test_a_new_volume_gets_files_of_this_version(volume: Volume) -> None:
    assert volume.prepare() == (0, ["install"])
    assert (volume.folder / "data/complete").exists()
    assert volume.prepare() == (0, []), "the files are those of this version"


def test_a_newer_version_upgrades_the_files_once(volume: Volume) -> None:
    volume.prepare()
    assert volume.prepare("11.8.4") == (0, ["server", "upgrade", "shutdown"])
    assert volume.prepare("11.8.4") == (0, [])


def test_an_interrupted_installation_begins_again(volume: Volume) -> None:
    code, _ = volume.prepare(INSTALL="fails")
    assert code == 1
    assert not (volume.folder / "data").exists()
    assert volume.prepare() == (0, ["install"])
    assert not (volume.folder / "new").exists()


def test_a_volume_without_a_version_is_upgraded(volume: Volume) -> None:
    """The script was interrupted after it had created the files."""
    volume.prepare()
    (volume.folder / "upgraded").unlink()
    assert volume.prepare() == (0, ["server", "upgrade", "shutdown"])


@pytest.mark.parametrize("fails", ["UPGRADE", "SERVER"])
def test_an_interrupted_upgrade_runs_again(volume: Volume, fails: str) -> None:
    volume.prepare()
    code, calls = volume.prepare("12.0.1", **{fails: "fails"})
    assert code == 1
    assert "shutdown" not in calls
    assert volume.prepare("12.0.1") == (0, ["server", "upgrade", "shutdown"])
