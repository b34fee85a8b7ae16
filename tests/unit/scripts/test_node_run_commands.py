"""The commands of `machine.commands`: what is run when they are added, changed, triggered and removed."""

from pathlib import Path
from typing import Any

import pytest

from components.cluster.machine_commands import MachineCommandSettings, of_stage, variables
from tests.support.configured_machines import TOOLS, installed_system
from tests.support.machine_scripts import FakeMachine, ScriptRun

SCRIPT = "node/run-commands"
FAN = {"create": "echo create >>log\n", "update": "echo update >>log", "delete": "echo delete >>log"}


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    fake = FakeMachine(tmp_path, TOOLS)
    installed_system(fake)
    return fake


def given(commands: dict[str, dict[str, Any]], **more: str) -> dict[str, str]:
    """Return the variables of a run."""
    parsed = {name: MachineCommandSettings.model_validate(each) for name, each in commands.items()}
    return {"NODE": "a", "ROLE": "server", **variables(of_stage(parsed, "beforeK3s"), "beforeK3s"), **more}


def apply(machine: FakeMachine, more: dict[str, str] | None = None, **commands: dict[str, Any]) -> ScriptRun:
    done = machine.run(SCRIPT, **given(commands, **(more or {})))
    assert done.status == 0, done.errors
    return done


def log(machine: FakeMachine) -> list[str]:
    """Return what the scripts wrote since the last call."""
    file = machine.root / "log"
    found = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def drift(machine: FakeMachine) -> str:
    done = machine.run("drift/commands-before-k3s")
    assert done.status == 0, done.errors
    return done.output


def test_scripts_run_once_and_again_after_changes(machine: FakeMachine) -> None:
    assert drift(machine) == "the commands of the machine did not run: its disk is new\n"
    apply(machine, fan=FAN)
    assert log(machine) == ["create"]
    assert drift(machine) == ""
    assert apply(machine, fan=FAN).progress == []
    assert log(machine) == []
    apply(machine, fan=FAN | {"create": "echo other >>log"})
    assert log(machine) == ["update"]
    apply(machine, fan=FAN | {"create": "echo other >>log", "delete": "echo gone >>log"})
    assert log(machine) == []
    without_update = {"create": "echo third >>log", "delete": "echo gone >>log"}
    apply(machine, fan=without_update)
    assert log(machine) == ["third"]
    apply(machine, fan=without_update | {"triggers": ["2"], "delete": "echo new >>log"})
    assert log(machine) == ["gone", "third"]
    apply(machine)
    assert log(machine) == ["new"]
    apply(machine)
    assert log(machine) == []


def test_commands_run_in_the_order_of_their_names_and_are_undone_in_reverse(machine: FakeMachine) -> None:
    both = {name: {key: f"echo {key} {name} >>log" for key in FAN} for name in ("b", "a")}
    apply(machine, **both)
    assert log(machine) == ["create a", "create b"]
    apply(machine, {"UNDO": "yes"}, **both)
    assert log(machine) == ["delete b", "delete a"]
    assert not (machine.root / "var/lib/homelab/commands").exists()


def test_scripts_get_the_node_and_nothing_of_homelab(machine: FakeMachine) -> None:
    apply(machine, {"SECRET": "p4ssw0rd"}, show={"create": "env >log; cat >>log\n[ ! -e /proc/self/fd/9 ]"})
    assert set(log(machine)) >= {"NODE=a", "ROLE=server", "HOME=/root"}
    assert "p4ssw0rd" not in machine.run(SCRIPT).errors


@pytest.mark.parametrize(("script", "status", "output"), [("echo hot; false\necho never", 1, "hot"), ("exit 3", 3, "")])
def test_a_failed_script_says_what_it_printed_and_runs_again(
    machine: FakeMachine, script: str, status: int, output: str
) -> None:
    command = {"create": script}
    done = machine.run(SCRIPT, **given({"fan": command}))
    assert done.status == 1
    assert f"machine.commands.fan.create on a ended with status {status}. Its output ends:\n{output}\n" in done.errors
    assert done.errors.endswith("Correct the script; then run `pulumi up` again.\n")
    assert drift(machine) == "machine.commands.fan did not end\n"
    apply(machine, fan=command | {"create": "echo fixed >>log"})
    assert log(machine) == ["fixed"]
    assert drift(machine) == ""


def test_a_script_that_never_ended_is_undone(machine: FakeMachine) -> None:
    assert machine.run(SCRIPT, **given({"fan": FAN | {"create": "false"}})).status == 1
    apply(machine)
    assert log(machine) == ["delete"]


def test_a_failed_delete_keeps_the_command(machine: FakeMachine) -> None:
    apply(machine, fan={"create": "true", "delete": "false"})
    done = machine.run(SCRIPT, **given({}))
    assert "machine.commands.fan.delete on a ended with status 1." in done.errors
    assert "Correct the cause on the machine, or restore the command with another `delete`" in done.errors
    apply(machine, fan={"create": "true", "delete": "echo better >>log"})
    apply(machine)
    assert log(machine) == ["better"]


def test_a_node_of_the_cluster_is_changed_in_its_turn(machine: FakeMachine) -> None:
    machine.file("/units/k3s").touch()
    waiting = apply(machine, fan=FAN)
    assert waiting.output == "flag: member\nflag: commands\nexport: TURN=yes\n"
    assert log(machine) == []
    assert apply(machine, {"TURN": "yes"}, fan=FAN).output == "flag: member\n"
    assert log(machine) == ["create"]
    assert apply(machine, fan=FAN).output == "flag: member\n"
    apply(machine, {"UNDO": "yes", "RETIRED": "yes"}, fan=FAN)
    assert log(machine) == ["delete"]


def test_a_reboot_is_asked_for_once(machine: FakeMachine) -> None:
    rebooting = FAN | {"reboot": True}
    assert apply(machine, fan=rebooting).output == "flag: reboot\n"
    assert apply(machine, fan=rebooting).output == "flag: reboot\n"
    machine.file("/proc/sys/kernel/random/boot_id").write_text("second\n")
    assert apply(machine, fan=rebooting).output == ""
    assert apply(machine, {"UNDO": "yes"}).output == ""
    assert not (machine.root / "var/lib/homelab/commands").exists()


def test_a_machine_of_another_node_is_left_alone(machine: FakeMachine) -> None:
    machine.file("/var/lib/homelab/node").write_text("b\n")
    done = machine.run(SCRIPT, **given({"fan": FAN}))
    assert (done.status, "This machine is the node b; it cannot be a as well" in done.errors) == (1, True)
    assert machine.run(SCRIPT, **given({"fan": FAN}, UNDO="yes")).status == 0
    assert log(machine) == []
