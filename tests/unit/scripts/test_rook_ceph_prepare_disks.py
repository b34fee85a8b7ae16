"""The script that gives disks to Ceph: what holds anything is refused, and wiped only if it is named."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

ONE, TWO = "/dev/disk/by-id/ata-one", "/dev/disk/by-id/ata-two"
TOOLS = {
    "lsblk": """disk=${*: -1:1} disk=${disk##*/}
case $* in
  *TYPE,NAME,MOUNTPOINT*) cat "tree-$disk" 2>/dev/null || echo 'disk sda ' ;;
  *TYPE,NAME*) [ ! -e "gone-$disk" ] || exit 32; cut -d' ' -f1,2 "tree-$disk" 2>/dev/null || echo 'disk sda' ;;
  *) sed 's|^[a-z0-9]* \\([a-z0-9]*\\) .*|/dev/\\1|' "tree-$disk" 2>/dev/null || echo /dev/sda ;;
esac""",
    "wipefs": """disk=${*: -1:1} disk=${disk##*/}
case $* in
  --all*) [ ! -e busy ] || { echo 'Device or resource busy'; exit 1; }; rm -f signatures-*; rm -f tree-* ;;
  *) cat "signatures-$disk" 2>/dev/null || true ;;
esac""",
    "blkid": "exit 2",
    "blockdev": "echo 500000000000",
    "dd": "",
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    for disk in (ONE, TWO):
        fake.file(disk).touch()
    return fake


def disks(machine: FakeMachine, *names: str) -> str:
    return " ".join(f"{machine.root}{name}" for name in names)


def gave(machine: FakeMachine, *wipe: str) -> ScriptRun:
    return machine.run("rook-ceph/prepare-disks", DEVICES=disks(machine, ONE, TWO), WIPE=disks(machine, *wipe))


def record(machine: FakeMachine) -> list[str]:
    file = machine.file("/var/lib/rook/homelab-disks")
    return file.read_text().splitlines() if file.exists() else []


def changed(run: ScriptRun) -> list[str]:
    """What was done to disks."""
    return [call for call in run.calls if call.startswith(("wipefs --all", "dd "))]


def test_empty_disks_are_given_once_and_not_touched(machine: FakeMachine) -> None:
    before = machine.run("rook-ceph/check-disks", DEVICES=disks(machine, ONE)).output
    assert before == f"{machine.root}{ONE} was not prepared for Ceph\n"
    done = gave(machine)
    assert (done.status, changed(done)) == (0, [])
    assert record(machine) == disks(machine, ONE, TWO).split()
    machine.file("signatures-ata-one").write_text("ceph_bluestore")
    again = gave(machine, ONE)  # even where its name was left in `wipe`
    assert (again.status, changed(again)) == (0, [])
    assert record(machine) == disks(machine, ONE, TWO).split()
    assert machine.run("rook-ceph/check-disks", DEVICES=disks(machine, ONE, TWO)).output == ""


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("signatures-ata-two", "ext4", "has signatures: ext4"),
        ("signatures-ata-two", "ceph_bluestore", "has signatures: ceph_bluestore"),
        ("tree-ata-two", "disk sda \npart sda1 /\n", "has partitions or is in use: part sda1,"),
        ("gone-ata-two", "", "does not exist"),
    ],
)
@pytest.mark.parametrize("wipe", [(), (ONE,)])
def test_disk_that_holds_anything_and_is_not_named_is_refused(
    machine: FakeMachine, file: str, text: str, reason: str, wipe: tuple[str, ...]
) -> None:
    machine.file(file).write_text(text)
    machine.file("signatures-ata-one").write_text("ext4" if wipe else "")
    done = gave(machine, *wipe)
    assert (done.status, changed(done), record(machine)) == (1, [], [])
    assert f"no changes were made:\n{machine.root}{TWO} {reason}\n" in done.errors


def test_disk_that_is_named_is_wiped_and_no_other(machine: FakeMachine) -> None:
    machine.file("tree-ata-two").write_text("disk sdb \npart sdb1 \n")
    machine.file("signatures-ata-two").write_text("gpt")
    done = gave(machine, TWO)
    assert (done.status, done.progress) == (0, [f"wiping {machine.root}{TWO}"])
    parts, disk, *zeroed = changed(done)
    assert [parts, disk] == ["wipefs --all /dev/sdb1", "wipefs --all /dev/sdb"]
    assert len(zeroed) == 4  # a disk of 500 GB has no place for the fifth
    assert all(f"of={machine.root}{TWO} " in call for call in zeroed)
    assert record(machine) == disks(machine, ONE, TWO).split()


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ("disk sdb \npart sdb1 /data\n", "is in use: part sdb1 /data"),
        ("disk sdb \npart sdb1 [SWAP]\n", "is in use: part sdb1 [SWAP]"),
        ("disk sdb \nlvm vg-root \n", "is in use: lvm vg-root "),
    ],
)
def test_disk_in_use_is_not_wiped_even_if_it_is_named(machine: FakeMachine, tree: str, reason: str) -> None:
    machine.file("tree-ata-two").write_text(tree)
    done = gave(machine, TWO)
    assert (done.status, changed(done), record(machine)) == (1, [], [])
    assert f"{TWO} {reason}" in done.errors


def test_disk_that_cannot_be_wiped_is_not_given(machine: FakeMachine) -> None:
    machine.file("signatures-ata-two").write_text("zfs_member")
    machine.file("busy").touch()
    done = gave(machine, TWO)
    assert (done.status, record(machine)) == (1, [])
    assert not any(call.startswith("dd ") for call in done.calls)
    assert "Device or resource busy" in done.errors


def test_disk_whose_wipe_was_cut_short_is_wiped_whole(machine: FakeMachine) -> None:
    """Its signatures went first: it looks empty, and has labels of an earlier Ceph further on."""
    done = gave(machine, TWO)
    assert (done.status, done.progress) == (0, [f"wiping {machine.root}{TWO}"])
    assert len([call for call in changed(done) if call.startswith("dd ")]) == 4
    assert changed(gave(machine, TWO)) == [], "it is Ceph's now"


def test_list_of_given_disks_is_replaced_whole(machine: FakeMachine) -> None:
    """What a full disk cut off would be read as the name of another disk."""
    machine.run("rook-ceph/prepare-disks", DEVICES=disks(machine, ONE), WIPE="")
    file = machine.file("/var/lib/rook/homelab-disks")
    before = file.stat().st_ino
    assert gave(machine).status == 0
    assert record(machine) == disks(machine, ONE, TWO).split()
    assert file.stat().st_ino != before
