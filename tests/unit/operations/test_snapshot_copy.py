"""The copy of a snapshot on this computer: it is there whole, or not at all."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.restores import ON_DEMAND
from tests.unit.operations.test_snapshot_commands import run


@pytest.mark.parametrize(
    ("broken", "cause"), [({"arrives": b"etc"}, "from a is corrupt"), ({"lost": "a was lost"}, "a was lost")]
)
def test_what_did_not_arrive_whole_is_not_kept(
    fake_servers: dict[str, Any], tmp_path: Path, broken: dict[str, Any], cause: str
) -> None:
    kept = tmp_path / ON_DEMAND.name
    kept.write_bytes(b"before")
    fake_servers.update(broken)
    done = run("snapshot", "--save", str(tmp_path))
    assert (done.exit_code, cause in done.stderr) == (1, True)
    assert [each.name for each in tmp_path.iterdir()] == [ON_DEMAND.name]
    assert kept.read_bytes() == b"before"
