"""Turns: who may disturb its machine when."""

import asyncio
from pathlib import Path

import pytest

from provider.model import DisruptionLimit, Settings, Step, Task
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, wait_for_file, write_scripts
from tests.support.ssh_server import KEYS, SshMachine, ssh_machines

IN_TURN = (Step(script="stage.sh"), Step(script="disturb.sh", turn=True), Step(script="settle.sh"))


def in_turn(computer: SshMachine, name: str, width: int) -> Task:
    variables = {"NODE": name, "WIDTH": str(width)}
    machine = computer.machine(name=name)
    return task(machine, *IN_TURN, variables=variables, turn=DisruptionLimit(group="servers", width=width))


@pytest.mark.parametrize("width", [1, 3])
def test_turn_is_held_from_the_first_disturbance_to_the_end(width: int, scripts: Path, tmp_path: Path) -> None:
    """As many as may are in their turn at once, and never more; what disturbs nothing waits for no turn."""
    write_scripts(
        scripts, stage='touch "staged-$NODE"; wait_for 5 eval \'[ "$(ls staged-* | wc -l)" = 6 ]\' || die alone'
    )
    full = '[ "$(ls in-* | wc -l)" -ge "$WIDTH" ] || [ -e full ]'
    write_scripts(scripts, disturb=f"touch \"in-$NODE\"; wait_for 5 eval '{full}' || die alone; touch full")
    write_scripts(scripts, settle='set -- in-*; echo $#; rm "in-$NODE"')

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = [plugin.run(in_turn(a, f"n{n}", width), Reports()) for n in range(6)]
            together = [int(output) for output in await asyncio.gather(*work)]
        assert max(together) <= width

    run_scenario(scenario())


def test_after_one_failed_in_its_turn_no_other_begins(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, stage='touch "staged-$NODE"', settle="true")
    write_scripts(scripts, disturb='touch "in-$NODE"; wait_for 5 test -e go; die broken')

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin, told = Runner(Settings(keys=KEYS)), Reports()
            first = asyncio.create_task(plugin.run(in_turn(a, "n1", 1), Reports()))
            await wait_for_file(a.home / "in-n1")
            second = asyncio.create_task(plugin.run(in_turn(a, "n2", 1), told))
            await wait_for_file(a.home / "staged-n2")
            (a.home / "go").touch()
            assert "disturb.sh failed" in str(await task_failure(first))
            assert str(await task_failure(second)) == (
                "n2 was not changed, because the change of the node n1 failed: fix n1 first."
            )
            assert told == ["waiting for other servers to finish"]
            assert not (a.home / "in-n2").exists()
            other = in_turn(a, "n3", 1).model_copy(update={"turn": DisruptionLimit(group="agents", width=1)})
            assert "disturb.sh failed" in str(await task_failure(plugin.run(other, Reports()))), "a group of its own"

    run_scenario(scenario())


def test_failure_before_its_turn_stops_nobody(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, stage='[ "$NODE" = n2 ] || die broken', disturb="true", settle="echo settled")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            assert "stage.sh failed" in str(await task_failure(plugin.run(in_turn(a, "n1", 1), Reports())))
            assert await plugin.run(in_turn(a, "n2", 1), Reports()) == "settled\n"

    run_scenario(scenario())


def test_cancel_begins_no_further_step(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, first="touch began; wait_for 5 test -e go; echo done >ended", second="touch second")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = asyncio.create_task(plugin.run(task(a.machine(), *steps("first", "second")), Reports()))
            await wait_for_file(a.home / "began")
            plugin.cancel()
            (a.home / "go").touch()
            assert "cancelled before second.sh" in str(await task_failure(work))
            assert (a.home / "ended").exists(), "what runs is let finish"
            assert not (a.home / "second").exists()

    run_scenario(scenario())


def settings(*servers: SshMachine) -> Settings:
    return Settings(keys=KEYS, servers=tuple(each.machine() for each in servers))


def test_a_step_on_a_server_runs_on_the_first_that_answers(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, where="pwd")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = task(a.machine(), Step(script="where.sh", on="server"))
            assert await Runner(settings(a, b)).run(given, Reports()) == f"{a.home}\n"
            await a.lose_power()
            assert await Runner(settings(a, b)).run(given, Reports()) == f"{b.home}\n"

    run_scenario(scenario())
