"""HAProxy behind the virtual address: what it is told, and how it comes to a machine and leaves it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from components.cluster.api_endpoint import haproxy as balancer
from components.cluster.api_endpoint import virtual_ip
from components.cluster.settings import ClusterSettings
from tests.support.cluster_fixtures import cluster
from tests.support.machine_scripts import FakeMachine, ScriptRun

FOUND = cluster("balancer")
IPV6 = cluster("ipv6-only", api={"vip": "fd00::240", "balancer": "haproxy", "port": 8443})
CONF = "/etc/haproxy/haproxy.cfg"
PACKAGED = "global\n  daemon\n"
SYSTEMCTL = """
case "$*" in
  *is-active*) [ -e active ] || { echo inactive; exit 3; } ;;
  *start*) touch active ;;
  disable*) rm -f active ;;
esac
"""
TOOLS = {
    "systemctl": SYSTEMCTL,
    "dpkg-query": 'printf "\\n %s/etc/haproxy/haproxy.cfg %s\\n" "$PWD" "$(cat sum)"',
    "journalctl": "",
}


def lines(found: ClusterSettings) -> list[str]:
    return [line.strip() for line in balancer.haproxy_config(found, found.nodes[0]).splitlines()]


def test_every_server_leads_to_all_of_them_and_agents_to_none() -> None:
    told = {node.name: balancer.haproxy_config(FOUND, node) for node in FOUND.nodes}
    assert told["a"] == told["b"] == told["c"]
    assert told["d"] == ""
    assert re.findall(r"^  server (.*)$", told["a"], re.MULTILINE) == [
        "a 10.0.0.11:6443", "b 10.0.0.12:6443", "c 10.0.0.13:6443",
    ]  # fmt: skip
    assert "bind *:7443" in lines(FOUND)


def test_ipv6_has_both_families_and_brackets() -> None:
    assert {"bind [::]:8443 v4v6", "server a [fd00::11]:6443"} <= set(lines(IPV6))


def test_nothing_runs_without_it() -> None:
    found = cluster("three-servers")
    assert {balancer.haproxy_config(found, node) for node in found.nodes} == {""}
    assert virtual_ip.packages(found, found.nodes[0]) == ["keepalived"]
    assert virtual_ip.packages(FOUND, FOUND.nodes[0]) == ["keepalived", "haproxy"]
    assert virtual_ip.packages(FOUND, FOUND.nodes[-1]) == []


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not here")
@pytest.mark.parametrize("found", [FOUND, IPV6], ids=["ipv4", "ipv6"])
def test_haproxy_takes_it(found: ClusterSettings, tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text(re.sub(r"  (user|group|chroot) .*\n", "", balancer.haproxy_config(found, found.nodes[0])))
    done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file(CONF).write_text(PACKAGED)
    fake.file("sum").write_text(
        subprocess.run(["md5sum"], input=PACKAGED, capture_output=True, text=True, check=True).stdout[:32]
    )
    fake.file("active").touch()
    return fake


def prepared(machine: FakeMachine, haproxy: str = "# homelab", keepalived: str = "", check: str = "") -> ScriptRun:
    """The part of the script that sets up what answers for the API."""
    variables = {"HAPROXY": haproxy, "KEEPALIVED": keepalived, "CHECK": check, "ADDRESS": "10.0.0.11"}
    return machine.call_function("node/prepare", "set_endpoint", INTERFACE="eth0", **variables)


def test_it_starts_with_our_file_once(machine: FakeMachine) -> None:
    done = prepared(machine)
    assert (done.status, done.progress) == (0, ["starting haproxy"])
    assert "systemctl restart haproxy" in done.calls
    assert machine.file(CONF).read_text() == "# homelab\n"
    assert machine.file(CONF).stat().st_mode & 0o777 == 0o600
    assert prepared(machine).progress == []


@pytest.mark.parametrize("change", ["# homelab\nmine\n", "mine\n", None])
def test_what_was_changed_by_hand_is_mended(machine: FakeMachine, change: str | None) -> None:
    prepared(machine)
    if change is None:
        machine.file("active").unlink()
    else:
        machine.file(CONF).write_text(change)
    assert prepared(machine).progress == ["starting haproxy"]
    assert machine.file(CONF).read_text() == "# homelab\n"


def test_what_was_changed_by_hand_is_seen(machine: FakeMachine) -> None:
    prepared(machine)
    machine.file("/var/lib/homelab/node").write_text("a\n")
    seen = [line for line in machine.run("drift/host").output.splitlines() if "haproxy" in line]
    assert seen == []
    machine.file("active").unlink()
    machine.file(CONF).write_text("mine\n")
    seen = [line for line in machine.run("drift/host").output.splitlines() if "haproxy" in line]
    assert seen == [f"{machine.root}{CONF} was changed", "haproxy is inactive"]


def test_it_leaves_the_file_that_was_there(machine: FakeMachine) -> None:
    prepared(machine)
    prepared(machine, haproxy="# homelab\nother")
    done = prepared(machine, haproxy="")
    assert (done.status, done.progress) == (0, ["stopping haproxy"])
    assert "systemctl disable -q --now haproxy" in done.calls
    assert machine.file(CONF).read_text() == PACKAGED
    assert not [file for file in machine.file("/var/lib/homelab").rglob("haproxy*") if file.is_file()]
    assert prepared(machine, haproxy="").progress == []


def test_one_of_somebody_else_is_not_touched(machine: FakeMachine) -> None:
    machine.file(CONF).write_text("theirs\n")
    assert prepared(machine, haproxy="").status == 0
    done = prepared(machine)
    assert done.status == 1
    assert (
        f"haproxy has a configuration that homelab did not write ({machine.root}{CONF}): remove the file" in done.errors
    )
    assert machine.file(CONF).read_text() == "theirs\n"


def test_the_address_has_its_check_as_long_as_it_is_kept(machine: FakeMachine) -> None:
    check = machine.file("/etc/keepalived/homelab-check")
    done = prepared(machine, "", "# homelab\ninterface @DEVICE@\n", "#!/bin/sh")
    assert done.progress == ["starting keepalived"]
    assert machine.file("/etc/keepalived/keepalived.conf").read_text() == "# homelab\ninterface eth0\n"
    assert check.stat().st_mode & 0o777 == 0o700
    assert prepared(machine, "").progress == ["stopping keepalived"]
    assert list(check.parent.iterdir()) == []
