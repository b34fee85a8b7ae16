"""The script that takes K3s off a machine, and what it leaves."""

from pathlib import Path

import pytest

from tests.machine_scripts import Fake

DATA = "/var/lib/rancher/k3s"
BUSY = f'case $* in *{DATA}) echo "Device or resource busy" >&2; exit 1 ;; esac\nexec /bin/%s "$@"'
"""What is mounted there can be emptied and not removed."""


@pytest.fixture
def machine(tmp_path: Path) -> Fake:
    fake = Fake(tmp_path, {})
    fake.file(f"{DATA}/server/db/etcd/member").write_text("etcd")
    fake.file("/etc/rancher/k3s/token").write_text("token")
    uninstaller = fake.file("/usr/local/bin/k3s-uninstall.sh")
    uninstaller.write_text(f"#!/bin/sh\necho uninstaller >>{tmp_path}/calls\nrm $0\n")
    uninstaller.chmod(0o755)
    return fake


def test_nothing_of_it_stays(machine: Fake) -> None:
    for _ in ("first", "again"):
        done = machine.run("uninstall", ROLE="server")
        assert done.status == 0, done.errors
        assert not machine.file(DATA).exists()
        assert not machine.file("/etc/rancher").exists()
        assert not list(machine.file("/usr/local/bin/k3s-uninstall.sh").parent.iterdir())


def test_disk_that_is_mounted_for_its_data_is_emptied(machine: Fake) -> None:
    mounted = Fake(machine.root, {name: BUSY % name for name in ("rm", "rmdir")})
    for _ in ("first", "again"):
        done = mounted.run("uninstall", ROLE="server")
        assert done.status == 0, done.errors
        assert list(machine.file(f"{DATA}/any").parent.iterdir()) == []


def test_data_that_cannot_be_removed_are_named(machine: Fake) -> None:
    stuck = Fake(machine.root, {"find": 'case $* in *-delete*) exit 1 ;; esac\nexec /usr/bin/find "$@"'})
    done = stuck.run("uninstall", ROLE="server")
    assert done.status == 1
    assert f"These could not be removed:\n{machine.root}{DATA}/server/db/etcd/member" in done.errors
