"""What `./homelab doctor` concludes from what a machine says of itself."""

from dataclasses import replace
from typing import Any

import pytest

from operations.checks import k3s, machine
from operations.checks.machine_state import MachineState
from operations.findings import Finding, State
from operations.machine_facts import Facts
from operations.machines import Failure, ScriptResult
from stacks.settings import LabStack
from tests.support.settings_fixtures import ROOT

LAB = LabStack.read(ROOT / "tests/settings/valid/three-servers.yaml").cluster
NODE = LAB.nodes[0]
NOW = 1_700_000_000
BARE = {
    "clock": str(NOW),
    "root": "yes",
    "os": "raspbian",
    "os-like": "debian",
    "os-name": "Raspbian GNU/Linux 12 (bookworm)",
    "apt": "yes",
    "systemd": "yes",
    "arch": "arm64",
    "uname": "aarch64, 64-bit",
    "machine-id": "abc",
    "memory-cgroup": "yes",
    "command-line": "",
    "device": "eth0",
    "device-there": "yes",
    "addresses": "10.0.0.1/24",
    "ports-known": "yes",
    "disk": "/ 20000 30",
    "missing": "",
    "half-installed": "",
    "owner": "",
    "unit": "inactive",
    "unit-there": "no",
    "other-unit": "no",
    "version": "",
    "end": "yes",
}
JOINED = {"owner": NODE.name, "unit": "active", "unit-there": "yes", "version": LAB.k3s.version}


def seen(**facts: str | list[str] | None) -> MachineState:
    """A bare machine that is fit, but for `facts`; those that are None it does not say."""
    given: dict[str, Any] = BARE | {name.replace("_", "-"): value for name, value in facts.items()}
    lines = [f"{name}={each}" for name, value in given.items() if value is not None for each in _all(value)]
    answer = ScriptResult(started=NOW, ended=NOW + 1)
    return MachineState(NODE.model_copy(update={"arch": None}), LAB, Facts.parse("\n".join(lines)), answer)


def _all(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def not_fine(given: MachineState) -> list[Finding]:
    return [finding for finding in machine.check(given) if finding.state is not State.FINE]


def test_a_fit_bare_machine_is_only_not_installed_yet() -> None:
    assert [(each.check, each.state) for each in not_fine(seen())] == [("K3s", State.NOTE)]


def test_a_node_in_order_has_nothing_to_mend() -> None:
    held = [f"{port} k3s-server" for port in k3s.ports(NODE, LAB) if port.startswith("tcp")]
    assert not_fine(seen(**JOINED, port=[*held, "udp/8472 the kernel"])) == []


WRONG = [
    ({"root": "no"}, "root", "do not run as root"),
    ({"systemd": "no"}, "system", "does not run systemd"),
    ({"apt": "no", "os_name": "Alpine"}, "system", "Alpine is not supported"),
    ({"arch": "", "uname": "riscv64, 64-bit"}, "arch", "no release for riscv64"),
    ({"memory_cgroup": "no"}, "cgroup", "memory cgroup is disabled"),
    ({"disk": "/ 900 50"}, "disk", "900 MiB free"),
    ({"disk": ["/ 20000 50", "/var/lib/rancher 9000 96"]}, "disk", "96 % used"),
    ({"clock": str(NOW - 600)}, "clock", "is 599 s behind"),
    ({"clock": str(NOW + 600)}, "clock", "is 599 s ahead of"),
    ({"device": ""}, "address", f"no interface has the address {NODE.address}; the machine has 10.0.0.1/24"),
    ({"device": "eth7", "device_there": "no"}, "address", "interface eth7 does not exist"),
    ({"port": "tcp/6443 haproxy"}, "ports", "tcp/6443 is in use by haproxy"),
    ({"port": "udp/8472 the kernel"}, "ports", "udp/8472 is in use by the kernel"),
    ({**JOINED, "port": "tcp/10250 kubelet"}, "ports", "tcp/10250 is in use by kubelet"),
    ({"half_installed": "curl"}, "packages", "half installed: curl"),
    ({"owner": "other"}, "owner", "is already the node other"),
    ({"unit_there": "yes"}, "owner", "that homelab did not install"),
    ({"owner": NODE.name, "other_unit": "yes"}, "owner", "not with the role server"),
    ({**JOINED, "unit": "failed"}, "K3s", "the unit k3s is failed"),
    ({**JOINED, "version": "v1.30.0+k3s1"}, "K3s", "v1.30.0+k3s1, but the stack file says"),
    ({**JOINED, "differs": ["a was changed", "b too"]}, "K3s", "changed manually: a was changed; b too"),
]


@pytest.mark.parametrize(("facts", "check", "says"), WRONG)
def test_what_is_wrong_is_said_with_a_fix(facts: dict[str, Any], check: str, says: str) -> None:
    (found,) = (each for each in not_fine(seen(**facts)) if each.state is State.WRONG)
    assert found.check == check
    assert says in found.says
    assert found.fix


NOTED = [
    ({"os": "mint", "os_like": "other", "os_name": "Mint"}, "system", "is untested"),
    ({"memory_cgroup": "no", "command_line": "/boot/firmware/cmdline.txt"}, "cgroup", "/boot/firmware/cmdline.txt"),
    ({"disk": "/ 9000 90"}, "disk", "90 % used"),
    ({"disk": None}, "disk", "reports no free space"),
    ({"clock": ""}, "clock", "reports no time"),
    ({"ports_known": "no"}, "ports", "iproute2"),
    ({"missing": "curl", "apt_would": "yes"}, "packages", "`pulumi up` installs curl"),
    ({"missing": "curl", "apt_says": "Unable to locate package curl"}, "packages", "Unable to locate package curl"),
]


@pytest.mark.parametrize(("facts", "check", "says"), NOTED)
def test_what_up_mends_is_noted(facts: dict[str, Any], check: str, says: str) -> None:
    found = {each.check: each for each in not_fine(seen(**facts))}
    assert found.keys() == {check, "K3s"}
    assert found[check].state is State.NOTE
    assert says in found[check].says


def test_another_architecture_than_the_files_is_wrong() -> None:
    given = seen()
    given = replace(given, node=given.node.model_copy(update={"arch": "amd64"}))
    assert [each.fix for each in not_fine(given) if each.check == "arch"] == [
        "set `arch: arm64`, or install an operating system for amd64"
    ]


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    assert [each.says for each in machine.check(seen(end=None))] == [
        "the output of the script node/collect-facts.sh is incomplete"
    ]


def test_machines_with_one_identity_are_named() -> None:
    facts = {
        name: Facts.parse(f"machine-id={value}") for name, value in (("a", "1"), ("b", "2"), ("c", "1"), ("d", ""))
    }
    found = machine.duplicate_machine_ids(facts)
    assert {name: each.says for name, each in found.items()} == {
        "a": "the machine has the same machine-id as c",
        "c": "the machine has the same machine-id as a",
    }


@pytest.mark.parametrize(
    ("failure", "cause", "check", "fix"),
    [
        (Failure.UNREACHABLE, "does not answer", "reachable", "power on the machine"),
        (Failure.HOST_KEY, "another key\nmore", "host key", "find out which machine answers"),
        (Failure.LOGIN, "refuses the SSH login of user pi: add the key", "login", "authorized_keys"),
        (Failure.SCRIPT, "sudo: a password is required", "root", "passwordless sudo"),
    ],
)
def test_why_a_machine_could_not_be_asked(failure: Failure, cause: str, check: str, fix: str) -> None:
    found = machine.check_connection(NODE, ScriptResult(failure=failure, cause=cause))[-1]
    assert (found.check, found.state) == (check, State.WRONG)
    assert "\n" not in found.says
    assert fix in found.fix


def test_ports_are_those_of_the_role_and_of_the_network() -> None:
    agent = NODE.model_copy(update={"role": "agent"})
    assert k3s.ports(NODE, LAB) == ("tcp/6443", "tcp/2379", "tcp/2380", "tcp/10250", "udp/8472")
    assert k3s.ports(agent, LAB) == ("tcp/10250", "udp/8472")
    bare = LAB.model_copy(update={"network": LAB.network.model_copy(update={"cni": "none"})})
    assert k3s.ports(agent, bare) == ("tcp/10250",)


@pytest.mark.parametrize(
    ("facts", "theirs"), [({}, True), ({"owner": NODE.name}, False), ({"owner": NODE.name, "who": "nginx"}, True)]
)
def test_port_of_the_balancer_is_haproxys_where_it_was_set_up(facts: dict[str, str], theirs: bool) -> None:
    lab = LAB.model_copy(update={"api": LAB.api.model_copy(update={"balancer": "haproxy", "port": 7443})})
    assert "tcp/7443" in k3s.ports(NODE, lab)
    assert "tcp/7443" not in k3s.ports(lab.agents[0], lab)
    who = facts.pop("who", "haproxy")
    found = not_fine(replace(seen(**facts, port=f"tcp/7443 {who}"), cluster=lab))
    assert [each.says for each in found if each.check == "ports"] == [f"tcp/7443 is in use by {who}"] * theirs
