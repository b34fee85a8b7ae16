"""The script that takes out of a machine what was put in: what others changed since then stays."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine

ORIGINAL = "/var/lib/homelab/original"
HOSTS = "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n"
LINE = "console=serial0 root=PARTUUID=1-02 rootwait"
ADDED = "cgroup_memory=1 cgroup_enable=memory"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, {"hostname": "", "sysctl": "", "systemctl": "exit 1"})
    for path, before, now in (
        ("/etc/hostname", "raspberrypi\n", "pi-1\n"),
        ("/etc/hosts", HOSTS, "127.0.0.1 localhost\n127.0.1.1 pi-1\n"),
        ("/boot/firmware/cmdline.txt", f"{LINE}\n", f"{LINE} {ADDED}\n"),
    ):
        fake.file(ORIGINAL + path).parent.mkdir(parents=True, exist_ok=True)
        fake.file(path).write_text(now)
        kept = Path(f"{tmp_path}{ORIGINAL}{tmp_path}{path}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(before)
    fake.file("/var/lib/homelab/node").write_text("pi-1\n")
    return fake


def restored(machine: FakeMachine) -> None:
    done = machine.run("node/restore-host")
    assert done.status == 0, done.errors
    assert not machine.file("/var/lib/homelab/any").parent.exists() or not list(
        machine.file("/var/lib/homelab/any").parent.iterdir()
    )


def test_what_nobody_else_changed_is_as_it_was(machine: FakeMachine) -> None:
    restored(machine)
    assert machine.file("/etc/hostname").read_text() == "raspberrypi\n"
    assert machine.file("/etc/hosts").read_text() == HOSTS
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{LINE}\n"


def test_what_others_changed_since_stays(machine: FakeMachine) -> None:
    machine.file("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 pi-1\n192.168.1.9 nas\n")
    machine.file("/boot/firmware/cmdline.txt").write_text(f"{LINE} {ADDED} usb-storage.quirks=152d:0578:u\n")
    restored(machine)
    assert machine.file("/etc/hosts").read_text() == "127.0.0.1 localhost\n192.168.1.9 nas\n127.0.1.1 raspberrypi\n"
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{LINE} usb-storage.quirks=152d:0578:u\n"


def test_a_machine_that_was_renamed_since_keeps_its_name(machine: FakeMachine) -> None:
    machine.file("/etc/hostname").write_text("printer\n")
    machine.file("/etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 printer\n")
    restored(machine)
    assert machine.file("/etc/hostname").read_text() == "printer\n"
    assert machine.file("/etc/hosts").read_text() == "127.0.0.1 localhost\n127.0.1.1 printer\n"


def test_parameters_that_were_there_before_stay(machine: FakeMachine) -> None:
    kept = Path(f"{machine.root}{ORIGINAL}{machine.root}/boot/firmware/cmdline.txt")
    kept.write_text(f"{LINE} cgroup_memory=1\n")
    machine.file("/boot/firmware/cmdline.txt").write_text(f"{LINE} cgroup_memory=1 {ADDED}\n")
    restored(machine)
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{LINE} cgroup_memory=1 cgroup_memory=1\n"


def test_a_keepalived_that_was_purged_is_no_obstacle(machine: FakeMachine) -> None:
    machine.file("/etc/keepalived/keepalived.conf").write_text("# homelab\n")
    restored(machine)
    assert not machine.file("/etc/keepalived/keepalived.conf").exists()


def test_a_file_behind_a_link_is_kept_and_put_back_and_the_link_stays(machine: FakeMachine) -> None:
    hosts, behind = machine.file("/etc/hosts"), machine.file("/etc/overlay/hosts")
    Path(f"{machine.root}{ORIGINAL}{machine.root}/etc/hosts").unlink()
    behind.write_text(HOSTS)
    hosts.unlink()
    hosts.symlink_to("overlay/hosts")
    done = machine.call_function(
        "node/prepare",
        "keep /etc/hosts; has_hosts_entry pi-1 || write_atomically /etc/hosts 644 <<<'127.0.1.1 pi-1'; true",
    )
    assert (done.status, behind.read_text()) == (0, "127.0.1.1 pi-1\n"), done.errors
    behind.write_text("127.0.0.1 localhost\n127.0.1.1 pi-1\n")
    restored(machine)
    assert (hosts.is_symlink(), behind.read_text()) == (True, HOSTS)


@pytest.mark.parametrize("line", [LINE, f"{LINE}\n"])
def test_a_boot_partition_that_has_nothing_of_ours_is_not_written(machine: FakeMachine, line: str) -> None:
    """It may be mounted for reading only."""
    file = machine.file("/boot/firmware/cmdline.txt")
    file.write_text(line)
    before = file.stat().st_ino
    restored(machine)
    assert (file.read_text(), file.stat().st_ino) == (line, before)


def test_parameters_that_somebody_moved_to_the_front_go_as_well(machine: FakeMachine) -> None:
    machine.file("/boot/firmware/cmdline.txt").write_text(f"{ADDED} {LINE}\n")
    restored(machine)
    assert machine.file("/boot/firmware/cmdline.txt").read_text() == f"{LINE}\n"
