"""What `make test` leaves out, it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.settings_fixtures import ROOT

TESTS = """
import os
import pytest

os.geteuid = lambda: {user}
os.uname = lambda: os.uname_result(("{system}", "", "", "", ""))

@pytest.mark.rehearsal
def test_machines():
    pass

def test_rest():
    pass
"""


@pytest.mark.parametrize(
    ("system", "user", "ending", "reason"),
    [
        ("Linux", 0, "2 passed", ""),
        ("Linux", 1000, "1 passed, 1 skipped", "the rehearsal needs root: run `sudo make test`"),
        ("Darwin", 0, "1 passed, 1 skipped", "the rehearsal needs Linux"),
    ],
)
def test_rehearsal_runs_where_it_can(system: str, user: int, ending: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(TESTS.format(system=system, user=user))
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-v"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    *_, last = done.stdout.splitlines()
    assert ending in last, done.stdout + done.stderr
    assert reason in done.stdout.partition("short test summary")[2]
    assert done.stdout.index("::test_rest") < done.stdout.index("::test_machines")
