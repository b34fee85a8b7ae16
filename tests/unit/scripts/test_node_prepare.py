"""The script that makes a machine fit: what it sets in the kernel, and puts back."""

import time
from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

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


FIXED = "nodes[a].role: server\nnodes[a].address: 10.0.0.11"


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("/run/systemd/system/any").touch()
    fake.file("/etc/hostname").write_text("a\n")
    fake.file("/etc/hosts").write_text("127.0.1.1 a\n")
    fake.file("/etc/machine-id").write_text("1234\n")
    fake.file("/proc/filesystems").write_text("nodev\toverlay\n")
    fake.file("/sys/fs/cgroup/cgroup.controllers").write_text("cpu memory\n")
    return fake


def run(machine: FakeMachine, **variables: str) -> ScriptRun:
    given = dict.fromkeys(
        ("INTERFACE", "ARCH", "PACKAGES", "MODULES", "VIP", "PEERS", "KEEPALIVED", "CHECK", "HAPROXY", "SYSCTL"), ""
    )
    given |= {"NODE": "a", "ROLE": "server", "ADDRESS": "10.0.0.11", "NOW": str(int(time.time())), "FIXED": FIXED}
    return machine.run("node/prepare", **given | variables)


def prepared(machine: FakeMachine, *settings: str) -> ScriptRun:
    done = run(machine, SYSCTL="\n".join(settings))
    assert done.status == 0, done.errors
    return done


def files(machine: FakeMachine) -> dict[str, str]:
    """All that is on the machine."""
    found = {str(path): path.read_text() for path in machine.root.rglob("*") if path.is_file()}
    return {
        path: text for path, text in found.items() if not path.endswith(("/calls", "/lock")) and "/bin/" not in path
    }


def test_what_is_set_no_more_is_put_back(machine: FakeMachine) -> None:
    machine.file("sysctl-net.six").write_text("2\n")
    prepared(machine, "net.six=1", "net.four=1")
    assert machine.file("sysctl-net.six").read_text() == "1\n"
    done = prepared(machine, "net.four=1")
    assert (done.errors, machine.file("sysctl-net.six").read_text()) == ("==> checking the machine\n", "2\n")
    assert machine.file("sysctl-net.four").read_text() == "1\n"
    again = prepared(machine, "net.four=1")
    assert not [call for call in again.calls if call.startswith("sysctl -q")]


@pytest.mark.parametrize("change", [("server", "agent"), ("10.0.0.11", "10.0.0.12")])
def test_what_must_not_change_is_compared_before_anything_else(machine: FakeMachine, change: tuple[str, str]) -> None:
    machine.file("/var/lib/homelab/node").write_text("a\n")
    machine.file("/var/lib/homelab/fixed").write_text(f"{FIXED}\n")
    before = files(machine)
    done = run(machine, FIXED=FIXED.replace(*change), SYSCTL="kernel.panic=10", KEEPALIVED="# homelab")
    assert done.status == 1
    assert (
        "These settings cannot be changed on a node of a cluster; no changes were made:\nwas: nodes[a]." in done.errors
    )
    assert files(machine) == before
    assert not [call for call in done.calls if call.startswith(("systemctl", "apt-get", "hostname", "sysctl"))]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (FIXED, f"{FIXED}\nk3s.ca: 1f", "was: k3s.ca: none\nnow: k3s.ca: 1f\n"),
        (f"{FIXED}\nk3s.ca: 1f", FIXED, "was: k3s.ca: 1f\nnow: \n"),
        (f"{FIXED}\nk3s.ca: 1f", f"{FIXED}\nk3s.ca: 2e", "was: k3s.ca: 1f\nnow: k3s.ca: 2e\n"),
    ],
)
def test_the_ca_of_a_cluster_stays(machine: FakeMachine, before: str, after: str, says: str) -> None:
    machine.file("/var/lib/homelab/node").write_text("a\n")
    machine.file("/var/lib/homelab/fixed").write_text(f"{before}\n")
    done = run(machine, FIXED=after)
    assert done.status == 1
    assert f"no changes were made:\n{says}" in done.errors
    assert run(machine, FIXED=before).status == 0


def test_a_machine_of_another_cluster_is_left_alone(machine: FakeMachine) -> None:
    assert run(machine, CLUSTER="one").status == 0
    before = files(machine)
    done = run(machine, CLUSTER="two", SYSCTL="kernel.panic=10")
    assert (done.status, files(machine) == before) == (77, True)
    assert "This machine is the node a of another cluster; no changes were made here." in done.errors
    assert run(machine, CLUSTER="one").status == 0


def test_a_lab_from_before_identities_is_taken_as_its_own(machine: FakeMachine) -> None:
    assert run(machine).status == 0
    assert run(machine, CLUSTER="one").status == 0
    assert run(machine, CLUSTER="two").status == 77


def test_a_lab_whose_state_lost_the_identity_is_given_another_by_its_owner(machine: FakeMachine) -> None:
    """As with a backup from before identities: docs/operations.md says so."""
    assert run(machine, CLUSTER="one").status == 0
    machine.file("/var/lib/homelab/cluster").unlink()
    assert run(machine, CLUSTER="two").status == 0
    assert machine.file("/var/lib/homelab/cluster").read_text() == "two\n"


@pytest.mark.parametrize("path", ["agent/client-kubelet.crt", "server/db/etcd/any", "server/db/state.db"])
def test_k3s_of_somebody_else_is_not_taken_over(machine: FakeMachine, path: str) -> None:
    machine.file(f"/var/lib/rancher/k3s/{path}").touch()
    done = run(machine)
    assert done.status == 1
    assert "K3s is installed on this machine already, and not by homelab; no changes were made." in done.errors
    assert "disable its service (k3s or k3s-agent) and reboot, because its uninstaller deletes" in done.errors
    assert not machine.file("/var/lib/homelab/node").exists()


def test_marks_of_an_unfinished_destroy_go(machine: FakeMachine) -> None:
    prepared(machine)
    machine.file("/var/lib/homelab/retired").touch()
    assert "a destroy of the whole lab is unfinished\n" in machine.run("drift/host").output
    prepared(machine)
    assert not machine.file("/var/lib/homelab/retired").exists()
    assert "destroy" not in machine.run("drift/host").output


def test_the_clock_is_compared_by_the_time_since_boot(machine: FakeMachine) -> None:
    """A clock that is set right while it is waited for has made a step, and Bash counts seconds by it."""
    now = int(time.time())
    late = "case $* in +%s) cat clock ;; *) echo a date ;; esac"
    machine.file("clock").write_text(f"{now - 5000}")
    stepped = FakeMachine(machine.root, TOOLS | {"date": late, "timedatectl": f"echo {now} >clock"})
    done = run(stepped, NOW=str(now))
    assert (done.status, "waiting for the clock to be set: it is off by 5000 s" in done.progress) == (0, False)


def test_a_service_is_restarted_although_the_run_before_ended_with_its_file(machine: FakeMachine) -> None:
    tools = TOOLS | {
        "systemctl": "case $* in *is-active*) ;; reload*) [ -e fixed ] ;; esac",
        "journalctl": "",
        "dpkg-query": "true",
    }
    keepalived = FakeMachine(machine.root, tools)
    assert run(keepalived, KEEPALIVED="# homelab\none").status == 1
    assert machine.file("/etc/keepalived/keepalived.conf").read_text() == "# homelab\none\n"
    assert "keepalived was not restarted with its new configuration" in keepalived.run("drift/host").output
    machine.file("fixed").touch()
    done = run(keepalived, KEEPALIVED="# homelab\none")
    assert (done.status, "systemctl reload-or-restart keepalived" in done.calls) == (0, True)
    assert "systemctl reload-or-restart keepalived" not in run(keepalived, KEEPALIVED="# homelab\none").calls


def test_the_lock_is_out_of_reach_for_others(machine: FakeMachine) -> None:
    prepared(machine)
    assert machine.file("/run/homelab/lock").parent.stat().st_mode & 0o777 == 0o700
