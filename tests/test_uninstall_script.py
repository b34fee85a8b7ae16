"""The script that takes K3s off a machine, and what it leaves."""

from pathlib import Path

import pytest

from tests.machine_scripts import Fake

DATA = "/var/lib/rancher/k3s"
TOOLS = {
    "ip": "cat links 2>/dev/null || true",
    **dict.fromkeys(("iptables-save", "ip6tables-save"), "echo '-A INPUT -j KUBE'"),
}
BUSY = f'case $* in *{DATA}) echo "Device or resource busy" >&2; exit 1 ;; esac\nexec /bin/%s "$@"'
"""What is mounted there can be emptied and not removed."""


@pytest.fixture
def machine(tmp_path: Path) -> Fake:
    fake = Fake(tmp_path, TOOLS)
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
    mounted = Fake(machine.root, TOOLS | {name: BUSY % name for name in ("rm", "rmdir")})
    for _ in ("first", "again"):
        done = mounted.run("uninstall", ROLE="server")
        assert done.status == 0, done.errors
        assert list(machine.file(f"{DATA}/any").parent.iterdir()) == []


def test_data_that_cannot_be_removed_are_named(machine: Fake) -> None:
    stuck = Fake(machine.root, TOOLS | {"find": 'case $* in *-delete*) exit 1 ;; esac\nexec /usr/bin/find "$@"'})
    done = stuck.run("uninstall", ROLE="server")
    assert done.status == 1
    assert f"These could not be removed:\n{machine.root}{DATA}/server/db/etcd/member" in done.errors


def test_cilium_goes_before_k3s(machine: Fake) -> None:
    links = ("1: lo:", "2: eth0:", "5: cilium_net@cilium_host:", "6: cilium_host@cilium_net:", "7: cilium_vxlan:")
    machine.file("links").write_text("".join(f"{link} <UP> mtu 1500\n" for link in links))
    machine.file("/etc/cni/net.d/05-cilium.conflist").touch()
    tools = {
        "ip": '[ "$2" != delete ] || [ "$3" != cilium_host ] || exit 1; cat links',  # it went with its other end
        "iptables-save": "echo '-A INPUT -j CILIUM_INPUT'; echo '-A INPUT -j OURS'",
        "iptables-restore": "cat >restored",
    }
    done = Fake(machine.root, TOOLS | tools).run("uninstall", ROLE="server")
    assert done.status == 0, done.errors
    gone = [f"ip link delete cilium_{name}" for name in ("net", "host", "vxlan")]
    assert [call for call in done.calls if "delete" in call] == gone
    assert done.calls.index("uninstaller") > max(map(done.calls.index, (*gone, "iptables-restore ")))
    assert machine.file("restored").read_text() == "-A INPUT -j OURS\n"
    assert not list(machine.file("/etc/cni/net.d/any").parent.iterdir())


def test_rules_are_left_alone_without_cilium(machine: Fake) -> None:
    done = machine.run("uninstall", ROLE="server")
    assert (done.status, [call for call in done.calls if "restore" in call or "delete" in call]) == (0, [])
