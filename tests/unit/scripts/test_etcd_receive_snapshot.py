"""The script that takes a snapshot that was sent: it is among those of the machine whole, or not at all."""

import hashlib
from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

TOOLS = {"hostname": "echo a", "curl": "exit 7", "systemctl": "echo inactive"}
PLACE = "/var/lib/rancher/k3s/server/db/snapshots"
CONTENT = b"a snapshot of etcd"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("/inbox").write_bytes(CONTENT)
    return fake


def placed(machine: FakeMachine, checksum: str = hashlib.sha256(CONTENT).hexdigest()) -> ScriptRun:
    return machine.run("etcd/receive-snapshot", SNAPSHOT="old-a-1", SENT=f"{machine.root}/inbox", CHECKSUM=checksum)


def listed(machine: FakeMachine) -> list[str]:
    return [line.split()[0] for line in machine.run("etcd/list-snapshots").output.splitlines()[1:]]


def test_what_arrived_whole_is_taken(machine: FakeMachine) -> None:
    assert placed(machine).status == 0
    assert listed(machine) == ["old-a-1"]
    assert machine.file(f"{PLACE}/old-a-1").read_bytes() == CONTENT
    assert not machine.file("/inbox").exists()


def test_what_did_not_is_removed_and_told(machine: FakeMachine) -> None:
    done = placed(machine, "0" * 64)
    assert done.status == 1
    assert "The upload of old-a-1 to a is damaged: run the command again." in done.errors
    assert not machine.file("/inbox").exists()
    assert listed(machine) == []


def test_half_of_it_never_bears_its_name(machine: FakeMachine) -> None:
    """The inbox may be on another disk, where moving is copying."""
    deadly = 'head -c 4 "${@: -2:1}" >"${@: -1}"; kill -9 $PPID'
    assert placed(FakeMachine(machine.root, TOOLS | {"mv": deadly})).status == -9
    assert listed(machine) == []
    (machine.root / "bin/mv").unlink()
    assert placed(machine).status == 0, "it is sent again"
    assert [file.name for file in machine.file(PLACE).iterdir()] == ["old-a-1"]
