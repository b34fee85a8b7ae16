"""Before a server keeps the virtual address, it looks whether a stranger has it."""

from pathlib import Path

import pytest

from tests.support.machine_scripts import FakeMachine, ScriptRun

TOOLS = {
    # who has which address: files in `macs`
    "ip": '[ "$2 $3" != "show to" ] || [ ! -e "macs/$4" ] || echo "$4 dev eth0 lladdr $(cat "macs/$4") REACHABLE"',
    "timeout": "true",
    "curl": "cat pong 2>/dev/null",
}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    fake.file("macs/10.9.0.12").write_text("aa:12")
    return fake


def looked(machine: FakeMachine, vip: str = "10.9.0.100:6443") -> ScriptRun:
    return machine.call_function(
        "node/prepare", "check_vip", INTERFACE="eth0", VIP=vip, PEERS="10.9.0.12:6443 10.9.0.13:6443"
    )


def test_an_address_that_nobody_has_is_free(machine: FakeMachine) -> None:
    done = looked(machine)
    assert (done.status, done.errors) == (0, "")
    assert "ip neigh flush to 10.9.0.100 dev eth0" in done.calls


def test_another_server_may_have_it(machine: FakeMachine) -> None:
    machine.file("macs/10.9.0.100").write_text("aa:12")
    assert looked(machine).status == 0


def test_a_server_that_goes_may_have_it(machine: FakeMachine) -> None:
    machine.file("macs/10.9.0.100").write_text("aa:99")
    machine.file("pong").write_text("pong")
    assert looked(machine).status == 0


def test_a_stranger_is_named(machine: FakeMachine) -> None:
    machine.file("macs/10.9.0.100").write_text("aa:99")
    done = looked(machine)
    assert done.status == 1
    assert "The virtual IP 10.9.0.100 is in use by a machine with the MAC address aa:99, which" in done.errors


def test_a_stranger_is_named_by_ipv6_too(machine: FakeMachine) -> None:
    machine.file("macs/fd00::100").write_text("aa:99")
    assert "The virtual IP [fd00::100] is in use" in looked(machine, "[fd00::100]:6443").errors


def test_who_keeps_the_address_already_does_not_ask(machine: FakeMachine) -> None:
    machine.file("macs/10.9.0.100").write_text("aa:99")
    machine.file("/etc/keepalived/keepalived.conf").write_text("# homelab\n")
    assert looked(machine).calls == []


def test_without_an_address_nothing_is_asked(machine: FakeMachine) -> None:
    assert looked(machine, "").calls == []
