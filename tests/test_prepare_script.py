"""The script that makes a machine fit: what it sets in the kernel, and puts back."""

import time
from pathlib import Path

import pytest

from tests.machine_scripts import Fake, Run

SYSCTL = """
[ "$1" != -n ] || { cat "sysctl-$2" 2>/dev/null || echo 0; exit; }
set_key() { echo "${1#*=}" >"sysctl-${1%%=*}"; }
case $* in
  *-w*) set_key "${*: -1}" ;;
  *-p*) while read -r line; do set_key "$line"; done <"${*: -1}" ;;
esac
"""
TOOLS = {
    "sysctl": SYSCTL, "id": "echo 0", "ip": "echo 2: eth0 10.0.0.11/24", "df": "echo 4096", "hostname": "echo a",
    "apt-get": "", "dpkg-query": "echo installed", "modprobe": "", "systemctl": "exit 3",
}  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Fake:
    fake = Fake(tmp_path, TOOLS)
    fake.file("/run/systemd/system/any").touch()
    fake.file("/etc/hostname").write_text("a\n")
    fake.file("/etc/hosts").write_text("127.0.1.1 a\n")
    fake.file("/etc/machine-id").write_text("1234\n")
    fake.file("/proc/filesystems").write_text("nodev\toverlay\n")
    fake.file("/sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    return fake


def prepared(machine: Fake, *settings: str) -> Run:
    given = dict.fromkeys(
        ("INTERFACE", "ARCH", "PACKAGES", "MODULES", "VIP", "PEERS", "KEEPALIVED", "CHECK", "HAPROXY"), ""
    )
    done = machine.run(
        "prepare", NODE="a", ROLE="server", ADDRESS="10.0.0.11", SYSCTL="\n".join(settings), NOW=str(int(time.time())),
        **given,
    )  # fmt: skip
    assert done.status == 0, done.errors
    return done


def test_what_is_set_no_more_is_put_back(machine: Fake) -> None:
    machine.file("sysctl-net.six").write_text("2\n")
    prepared(machine, "net.six=1", "net.four=1")
    assert machine.file("sysctl-net.six").read_text() == "1\n"
    done = prepared(machine, "net.four=1")
    assert (done.errors, machine.file("sysctl-net.six").read_text()) == ("==> checking the machine\n", "2\n")
    assert machine.file("sysctl-net.four").read_text() == "1\n"
    again = prepared(machine, "net.four=1")
    assert not [call for call in again.calls if call.startswith("sysctl -q")]
