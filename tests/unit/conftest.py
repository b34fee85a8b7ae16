"""Fixtures of unit tests in several folders."""

from pathlib import Path

import pytest


@pytest.fixture
def calls_file(tmp_path: Path) -> Path:
    """The file that records the arguments of each kubectl call, one call per line."""
    (tmp_path / "calls").touch()
    return tmp_path / "calls"
