"""Putting K3s in use: whom a machine joins, what its token says, and when a cluster is founded."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.fault_scenarios import BOOTSTRAP, CA_HASH, TASKS, TOOLS, machine_with_mirror
from tests.support.machine_scripts import FakeMachine, ScriptRun

CA = "-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n"
TOLD = {"CA": base64.b64encode(CA.encode()).decode(), "CA_HASH": CA_HASH}
ENDPOINT = BOOTSTRAP["ENDPOINT"]

# servers answer where `servers` names them, each with the certificate of a CA
CURL = r"""
ca='' target='' url=''
while [ $# -gt 0 ]; do
  case $1 in
    --cacert) ca=$(cat "$2") ; shift ;;
    -o) target=$2; shift ;;
    -*k*) ca=any ;;
    http*) url=$1 ;;
  esac
  shift
done
case $url in
  */ping)
    host=${url#https://} host=${host%/ping}
    theirs=$(awk -v host="$host" '$1 == host { print $2 }' servers | tail -n 1)
    [ -n "$theirs" ] || exit 7
    [ "$ca" = any ] || grep -q "$theirs" <<<"$ca" || { echo "curl: (60) SSL certificate problem" >&2; exit 60; }
    echo pong ;;
  */readyz) [ -e units/k3s.active ] ;;
  */healthz) [ -e units/k3s-agent.active ] ;;
  *) cp "served/${url##*/}" "$target" ;;
esac
"""
AGENT = TASKS["d-join"] | {"PINS": "", "TOKEN": "secret", "INTERFACE": ""}
SERVER = TASKS["b-join"] | {"PINS": "", "TOKEN": "secret", "INTERFACE": ""}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    root = tmp_path / "machine"
    root.mkdir()
    fake = FakeMachine(root, {**TOOLS, "curl": CURL})
    machine_with_mirror(fake)
    fake.file("/servers").write_text("")
    with fake.file("/start").open("a") as start:
        start.write(
            "agent=var/lib/rancher/k3s/agent\n"
            "if [ $1 = k3s-agent ]; then mkdir -p $agent; touch $agent/client-kubelet.crt; fi\n"
        )
    return fake


def applied(machine: FakeMachine, variables: dict[str, str], **more: str) -> ScriptRun:
    ready = machine.run("node/stage-k3s", **variables | more)
    assert ready.status == 0, ready.errors
    return machine.run("node/install-k3s", **variables | more)


def token(machine: FakeMachine) -> str:
    return machine.file("/etc/rancher/k3s/token").read_text().strip()


def test_an_agent_gives_its_token_to_nobody_but_its_cluster(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    done = applied(machine, AGENT, **TOLD)
    assert done.status == 0, done.errors
    assert token(machine) == f"K10{CA_HASH}::node:secret"


def test_a_server_gives_its_token_to_nobody_but_its_cluster(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    done = applied(machine, SERVER, **TOLD)
    assert done.status == 0, done.errors
    assert token(machine) == f"K10{CA_HASH}::server:secret"


@pytest.mark.parametrize("variables", [AGENT, SERVER], ids=["agent", "server"])
def test_who_answers_with_another_ca_is_joined_by_nobody(machine: FakeMachine, variables: dict[str, str]) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} theirs\n")
    done = applied(machine.with_fast_sleep, variables, **TOLD)
    assert done.status == 1
    assert f"No K3s server answered at {ENDPOINT} within 120 s." in done.errors
    assert (
        "A K3s server answers there, but its certificate is not from this cluster's CA; no token was sent."
        in done.errors
    )
    assert not list(machine.file("/units/any").parent.glob("k3s*.active"))


def test_without_a_ca_over_ssh_nobody_is_joined(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} theirs\n")
    done = applied(machine, AGENT)
    assert (done.status, "No server of the cluster reported its CA over SSH, so d did not join." in done.errors) == (
        1,
        True,
    )


def test_the_first_server_founds_the_cluster_and_then_names_its_ca(machine: FakeMachine) -> None:
    done = applied(machine, BOOTSTRAP)
    assert (done.status, "bootstrapping the cluster" in done.progress) == (0, True), done.errors
    assert token(machine) == f"K10{CA_HASH}::server:token"
    again = machine.run("node/stage-k3s", **BOOTSTRAP)
    assert "flag: changed" not in again.output, "what it learnt is no change"


def test_no_cluster_is_founded_where_a_stranger_answers(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} theirs\n")
    done = applied(machine, BOOTSTRAP)
    assert done.status == 1
    assert (
        f"A K3s server answers at {ENDPOINT}, but over SSH no server of `nodes` is a member of a cluster" in done.errors
    )
    assert not list(machine.file("/units/any").parent.glob("k3s*.active"))


def test_a_founder_who_hears_of_the_cluster_over_ssh_joins_it(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    done = applied(machine, BOOTSTRAP, **TOLD)
    assert (done.status, "bootstrapping the cluster" in done.progress) == (0, False), done.errors
    assert token(machine) == f"K10{CA_HASH}::server:token"


def test_a_token_that_names_no_ca_yet_is_completed_without_a_restart(machine: FakeMachine) -> None:
    """As on a lab that was built before tokens did."""
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    assert applied(machine, AGENT, **TOLD).status == 0
    machine.file("/etc/rancher/k3s/token").write_text("secret\n")
    machine.file("/var/lib/homelab/ca-hash").unlink()
    assert "token" not in machine.run("drift/k3s").output
    done = machine.run("node/stage-k3s", **AGENT | TOLD)
    assert (done.status, "flag: changed" in done.output, token(machine)) == (0, False, f"K10{CA_HASH}::node:secret")


def test_a_token_that_was_changed_by_hand_is_drift(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    assert applied(machine, AGENT, **TOLD).status == 0
    for text in ("secret", f"K10{'ab' * 32}::node:secret", f"K10{CA_HASH}::node:other"):
        machine.file("/etc/rancher/k3s/token").write_text(f"{text}\n")
        assert "/etc/rancher/k3s/token was changed" in machine.run("drift/k3s").output


def test_a_server_exports_its_ca_and_a_bare_machine_nothing(machine: FakeMachine) -> None:
    assert machine.run("node/export-ca").output == ""
    assert applied(machine, BOOTSTRAP).status == 0
    certificate = base64.b64encode(b"certificate\n").decode()
    assert machine.run("node/export-ca").output == f"export: CA_HASH={CA_HASH}\nexport: CA={certificate}\n"


def test_the_kubelet_gives_pods_time_to_end_and_its_configuration_is_watched(machine: FakeMachine) -> None:
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    applied(machine, AGENT, **TOLD)
    file = machine.file("/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/05-homelab.conf")
    assert "\nshutdownGracePeriod: 60s\nshutdownGracePeriodCriticalPods: 15s\n" in file.read_text()
    assert "05-homelab.conf" not in machine.run("drift/k3s").output
    file.write_text("kind: KubeletConfiguration\n")
    assert "agent/etc/kubelet.conf.d/05-homelab.conf was changed\n" in machine.run("drift/k3s").output
    applied(machine, AGENT, **TOLD)
    assert "shutdownGracePeriod: 60s" in file.read_text()


def test_programs_of_old_releases_go_and_those_in_use_stay(machine: FakeMachine) -> None:
    """K3s unpacks each release into a folder of its own, and links the last two."""
    data = machine.file("/var/lib/rancher/k3s/data/cni/any").parent.parent
    folders = [data / (letter * 64) for letter in "abc"]
    for folder in folders:
        (folder / "bin").mkdir(parents=True)
    for name, folder in (("current", folders[2]), ("previous", folders[1])):
        (data / name).symlink_to(folder)
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    applied(machine, AGENT, **TOLD)
    assert sorted(path.name for path in data.iterdir()) == sorted(
        ["cni", "current", "previous", folders[1].name, folders[2].name]
    )


def test_programs_that_a_process_runs_stay(machine: FakeMachine) -> None:
    folder = machine.file(f"/var/lib/rancher/k3s/data/{'a' * 64}/bin/shim").parent
    shutil.copy("/bin/sleep", folder / "shim")
    machine.file("/servers").write_text(f"{ENDPOINT} ours\n")
    with subprocess.Popen([folder / "shim", "60"]) as shim:
        applied(machine, AGENT, **TOLD)
        shim.kill()
    assert folder.exists()
