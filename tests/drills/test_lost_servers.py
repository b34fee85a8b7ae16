"""All servers lose their disks, and the cluster is restored from a snapshot. The tests depend on their order."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.labs import stack_document
from tests.drills.measurements import Recorder, timed
from tests.rehearsal.rehearsed_lab import RehearsedLab, rehearse

pytestmark = pytest.mark.drill

SERVERS = {"s1", "s2", "s3"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rescue")


@pytest.fixture(scope="module")
def lab(folder: Path) -> Iterator[RehearsedLab]:
    with rehearse("rescue", stack_document(3, 0), folder) as found:
        found.up()
        yield found


def test_a_snapshot_is_taken_and_copied_to_this_computer(lab: RehearsedLab, folder: Path) -> None:
    lab.kubectl("create", "configmap", "canary", "--from-literal=song=heard")
    said = lab.homelab("snapshot", "--name", "canary", "--save", str(folder / "kept"))
    (kept,) = (folder / "kept").iterdir()
    assert kept.name in said
    assert (kept.stat().st_mode & 0o777) == 0o600
    (listed,) = json.loads(lab.homelab("snapshot", "--list", "--json"))
    assert (listed["name"], listed["bytes"]) == (kept.name, kept.stat().st_size)
    lab.kubectl("delete", "configmap", "canary")


def test_all_servers_lost_and_restored(lab: RehearsedLab, folder: Path, record: Recorder) -> None:
    (kept,) = (folder / "kept").iterdir()
    for name in sorted(SERVERS):
        lab.lab.wipe(name)
    lab.homelab("restore", code=1)
    with timed(record, "all three servers lost, restored from a file"):
        lab.homelab("restore", "--file", str(kept), "--yes")
    assert "song: heard" in lab.kubectl("get", "configmap", "canary", "-o", "yaml")
    assert lab.ready_nodes() == SERVERS
    assert lab.etcd_voters() == SERVERS


def test_the_next_up_changes_nothing(lab: RehearsedLab) -> None:
    assert re.search(r"Resources:\n +\d+ unchanged\n", lab.up("--refresh"))
