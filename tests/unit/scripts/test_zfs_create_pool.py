"""The script that makes a ZFS pool: it refuses whatever may hold data, and takes what is its own."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

POOL = """
case "$1 $2" in
  'list -H') [ -e pool ] ;;
  'list -vHPL') cat pool ;;
  import*)
    [[ $* = *"/dev/disk/by-id/ata-one-part1"* ]] || exit 0 # a disk that was given whole has it on its first partition
    if [ "${*: -1}" != lab ]; then cat disks 2>/dev/null; exit; fi
    if [ -e foreign ]; then echo 'in use from other system'; exit 1; fi
    cp imported pool ;;
  create*) echo made >pool; sed 's/^/\\t/; s/$/1\\t10G/' real >>pool ;;
esac
"""
TOOLS = {
    "zpool": POOL,
    "dpkg-query": "echo installed",
    "dpkg": "echo amd64",
    "modprobe": "",
    "lsblk": 'cat "lsblk-${*: -1:1}" 2>/dev/null || cat lsblk 2>/dev/null || echo "disk sda"',
    "wipefs": "cat wipefs 2>/dev/null || true",
    "blkid": """case $* in *TYPE*-part1) said=types ;; *) said=blkid ;; esac
cat $said 2>/dev/null && exit 0; exit $(cat status 2>/dev/null || echo 2)""",
}
ONE, TWO = "/dev/disk/by-id/ata-one", "/dev/disk/by-id/ata-two"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("/sys/module/zfs/version").touch()
    for disk in (ONE, TWO):
        fake.file(disk).touch()
    fake.file("real").write_text("".join(f"{tmp_path}{disk}\n" for disk in (ONE, TWO)))
    return fake


def made(machine: FakeMachine, raid: str = "none", **tools: str) -> ScriptRun:
    devices = " ".join(f"{machine.root}{disk}" for disk in (ONE, TWO))
    return FakeMachine(machine.root, {**TOOLS, **tools}).run("zfs/create-pool", POOL="lab", DEVICES=devices, RAID=raid)


def partitioned(machine: FakeMachine) -> None:
    """What ZFS makes of disks that it is given whole."""
    for disk in (ONE, TWO):
        for part in ("-part1", "-part9"):
            machine.file(f"{disk}{part}").touch()
    machine.file("lsblk").write_text("disk sda\npart sda1\npart sda9\n")


def changed(run: ScriptRun) -> list[str]:
    """What was done to disks."""
    return [
        call for call in run.calls if call.startswith(("zpool create", "zpool destroy", "zpool export", "zpool add"))
    ]


@pytest.mark.parametrize(("raid", "layout"), [("none", "lab "), ("mirror", "lab mirror ")])
def test_pool_is_made_of_empty_disks(machine: FakeMachine, raid: str, layout: str) -> None:
    done = made(machine, raid)
    assert (done.status, done.progress) == (0, ["creating the pool lab"])
    (create,) = changed(done)
    assert create.endswith(f"-O mountpoint=none {layout}{machine.root}{ONE} {machine.root}{TWO}")
    assert " -f" not in create
    again = made(machine, raid)
    assert (again.status, changed(again)) == (0, [])


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wipefs": "gpt at 0x200\n"}, "has signatures: gpt at 0x200"),
        ({"wipefs": "zfs_member at 0x1000\next4 at 0x438"}, "has signatures: zfs_member at 0x1000, ext4 at 0x438"),
        ({"lsblk": "disk sda\npart sda1\n"}, "has partitions or is in use: part sda1,"),
        ({"lsblk": "rom sr0"}, "is neither a disk nor a partition: rom sr0"),
        ({"blkid": "/dev/sda: TYPE=ext4"}, "may not be empty: /dev/sda: TYPE=ext4"),
        ({"status": "8"}, "may not be empty: blkid failed with status 8"),
        ({"status": "4"}, "may not be empty: blkid failed with status 4"),
    ],
)
def test_disk_that_may_hold_data_is_refused(machine: FakeMachine, files: dict[str, str], reason: str) -> None:
    for name, text in files.items():
        machine.file(name).write_text(text)
    done = made(machine)
    assert (done.status, changed(done)) == (1, [])
    assert "No pool is created on disks that may contain data; no changes were made:" in done.errors
    assert f"{machine.root}{ONE} {reason}\n{machine.root}{TWO} {reason}\n" in done.errors


@pytest.mark.parametrize(
    ("tools", "reason"),
    [
        ({"lsblk": "case $* in *two) exit 32 ;; esac; echo 'disk sda'"}, "ata-two does not exist"),
        ({"wipefs": "case $* in *two) echo denied; exit 1 ;; esac"}, "ata-two could not be checked: denied"),
    ],
)
def test_one_disk_that_is_refused_is_enough(machine: FakeMachine, tools: Any, reason: str) -> None:
    done = made(machine, **tools)
    assert (done.status, changed(done)) == (1, [])
    assert reason in done.errors
    assert "ata-one" not in done.errors.partition("To lose the data")[0]


def test_pool_of_that_name_is_imported_without_force(machine: FakeMachine) -> None:
    partitioned(machine)
    machine.file("disks").write_text("   pool: lab\n     id: 1\n")
    machine.file("wipefs").write_text("zfs_member")
    parts = "".join(f"\t{machine.root}{disk}-part1\t10G\n" for disk in (ONE, TWO)).replace("-part1", "1")
    machine.file("imported").write_text(f"lab\n{parts}")
    done = made(machine)
    assert (done.status, done.progress, changed(done)) == (0, ["importing the pool lab"], [])
    assert not any(" -f" in call for call in done.calls)


def test_pool_that_another_system_used_is_not_taken(machine: FakeMachine) -> None:
    partitioned(machine)
    machine.file("disks").write_text("   pool: lab\n")
    machine.file("foreign").touch()
    done = made(machine)
    assert (done.status, changed(done)) == (1, [])
    assert (
        "could not be imported:\nin use from other system\nIf no other machine uses it: zpool import -f lab"
        in done.errors
    )


def test_no_one_is_told_to_wipe_what_zfs_was_on(machine: FakeMachine) -> None:
    partitioned(machine)
    machine.file("types").write_text("zfs_member\n")
    done = made(machine)
    assert (done.status, changed(done)) == (1, [])
    assert "ata-one has partitions or is in use: part sda1,part sda9," in done.errors
    assert f"zpool import -d {machine.root}/dev/disk/by-id" in done.errors
    assert "wipefs" not in done.errors


def test_pool_of_another_name_is_named(machine: FakeMachine) -> None:
    partitioned(machine)
    machine.file("disks").write_text("   pool: nas\n")
    done = made(machine)
    assert (done.status, changed(done)) == (1, [])
    assert "These disks contain another pool: nas; no changes were made." in done.errors


def test_pool_that_is_there_is_not_changed(machine: FakeMachine) -> None:
    machine.file("pool").write_text(f"lab\n\t{machine.root}{ONE}1\t10G\n\t{machine.root}{TWO}9x\t10G\n")
    done = made(machine)
    assert (done.status, changed(done)) == (1, [])
    assert f"The pool lab exists, but without these disks:\n{machine.root}{TWO}\n" in done.errors


def test_kernel_without_zfs_ends_it_before_disks_are_looked_at(machine: FakeMachine) -> None:
    machine.file("/sys/module/zfs/version").unlink()
    machine.file("/sys/module/zfs").rmdir()
    done = made(machine)
    assert done.status == 1
    assert "linux-headers-amd64 zfs-dkms zfsutils-linux" in done.errors
    assert not any(call.startswith(("lsblk", "zpool")) for call in done.calls)


def test_pool_that_is_not_imported_is_seen(machine: FakeMachine) -> None:
    assert machine.run("zfs/check-pool", POOL="lab").output == "the pool lab is not imported\n"
    machine.file("pool").touch()
    assert machine.run("zfs/check-pool", POOL="lab").output == ""
