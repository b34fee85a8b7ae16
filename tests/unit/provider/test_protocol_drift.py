"""What was changed by hand on machines: named by every run, mended by `up`, and then forgotten."""

from pathlib import Path

import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2

from provider.model import Settings
from provider.tasks.runner import Runner
from tests.support.plugin_client import from_struct, running_plugin, task_inputs
from tests.support.plugin_fixtures import run_scenario, write_scripts
from tests.support.ssh_server import KEYS, ssh_machines


def test_what_differs_is_named_mended_and_forgotten(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, work="echo once >>runs; rm -f changed", look="[ ! -e changed ] || echo it was changed")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "work", probe="look.sh")
            assert await plug.check({}, given) == given
            assert not a.logins, "what is not there yet is not looked at"
            old = from_struct((await plug.create(given)).properties)
            assert await plug.check(given, given) == given
            assert plug.engine.texts(engine_pb2.WARNING) == []
            (a.home / "changed").touch()
            await plug.configure()
            found = await plug.check(given, given)
            assert found == given | {"drift": "it was changed"}
            assert plug.engine.texts(engine_pb2.WARNING) == ["a: it was changed"]
            assert await plug.diff(old, found) == (True, ["drift"])
            new = await plug.update(old, found)
            assert new == old, "what was found is no part of the state"
            assert (a.home / "runs").read_text() == "once\nonce\n"
            assert await plug.check(found, given) == given, "it is looked at anew after its task ran"
            assert await plug.diff(new | {"drift": "it was changed"}, given) == (False, [])

    run_scenario(scenario())


def test_what_happens_once_happens_again_when_its_work_is_gone(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, work="touch here", look="[ -e here ] || echo it is gone")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure()
            given = task_inputs(a.machine(), "work", probe="look.sh", once=True)
            old = from_struct((await plug.create(given)).properties)
            (a.home / "here").unlink()
            found = await plug.check(given, given)
            assert await plug.diff(old, found) == (True, ["drift"])
            await plug.update(old, found)
            assert (a.home / "here").exists()

    run_scenario(scenario())


def test_machine_out_of_reach_is_named_once_and_holds_up_nothing(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, look="echo it was changed")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a", "b") as (a, b):
            given = task_inputs(a.machine(), "work", probe="look.sh")
            stranger = task_inputs(b.machine(host_key=a.machine().host_key, name="c"), "work", probe="look.sh")
            await a.lose_power()
            await plug.configure()
            for each in (given, given, stranger):
                assert await plug.check(each, each) == each
            gone, other = plug.engine.texts(engine_pb2.WARNING)
            assert gone.startswith("the machine was not checked for drift: a (127.0.0.1) does not answer on SSH port")
            assert other.startswith("the machine was not checked for drift: c (127.0.0.1) shows another host key")

    run_scenario(scenario())


def test_all_machines_are_looked_at_at_once(scripts: Path, tmp_path: Path) -> None:
    """Each waits for the others, so one after the other they would wait in vain."""
    write_scripts(
        scripts,
        look="touch ../looked-$$; wait_for 5 eval '[ \"$(ls ../looked-* | wc -l)\" = 3 ]' || die alone; echo seen",
    )

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            runner = Runner(
                Settings(keys=KEYS, servers=(a.machine(),), agents=(b.machine(), c.machine()), probes=("look.sh",))
            )
            runner.start_drift_checks()
            assert [await runner.check_drift(each.machine(), "look.sh", {}) for each in (a, b, c)] == ["seen"] * 3

    run_scenario(scenario())


def test_looking_can_be_switched_off(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scripts(scripts, look="echo it was changed")
    monkeypatch.setenv("HOMELAB_DRIFT", "off")

    async def scenario() -> None:
        async with running_plugin() as plug, ssh_machines(tmp_path, "a") as (a,):
            await plug.configure(servers=(a.machine(),), probes=("look.sh",))
            given = task_inputs(a.machine(), "work", probe="look.sh")
            assert await plug.check(given, given) == given
            await plug.stub.Cancel(empty_pb2.Empty())
            assert not a.logins

    run_scenario(scenario())
