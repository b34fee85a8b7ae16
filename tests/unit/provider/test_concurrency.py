"""Turns: who may disturb its machine when."""

import asyncio
from pathlib import Path

import pytest

from provider.model import DisruptionLimit, Settings, Step, Task
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Told, appears, failure, play, put, scripts, steps, task
from tests.support.ssh_server import KEYS, Computer, computers

__all__ = ["scripts"]
IN_TURN = (Step(script="stage.sh"), Step(script="disturb.sh", turn=True), Step(script="settle.sh"))


def in_turn(computer: Computer, name: str, width: int) -> Task:
    variables = {"NODE": name, "WIDTH": str(width)}
    machine = computer.machine(name=name)
    return task(machine, *IN_TURN, variables=variables, turn=DisruptionLimit(group="servers", width=width))


@pytest.mark.parametrize("width", [1, 3])
def test_turn_is_held_from_the_first_disturbance_to_the_end(width: int, scripts: Path, tmp_path: Path) -> None:
    """As many as may are in their turn at once, and never more; what disturbs nothing waits for no turn."""
    put(scripts, stage='touch "staged-$NODE"; wait_for 5 eval \'[ "$(ls staged-* | wc -l)" = 6 ]\' || die alone')
    full = '[ "$(ls in-* | wc -l)" -ge "$WIDTH" ] || [ -e full ]'
    put(scripts, disturb=f"touch \"in-$NODE\"; wait_for 5 eval '{full}' || die alone; touch full")
    put(scripts, settle='set -- in-*; echo $#; rm "in-$NODE"')

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = [plugin.run(in_turn(a, f"n{n}", width), Told()) for n in range(6)]
            together = [int(output) for output in await asyncio.gather(*work)]
        assert max(together) <= width

    play(scenario())


def test_after_one_failed_in_its_turn_no_other_begins(scripts: Path, tmp_path: Path) -> None:
    put(scripts, stage='touch "staged-$NODE"', settle="true")
    put(scripts, disturb='touch "in-$NODE"; wait_for 5 test -e go; die broken')

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin, told = Runner(Settings(keys=KEYS)), Told()
            first = asyncio.create_task(plugin.run(in_turn(a, "n1", 1), Told()))
            await appears(a.home / "in-n1")
            second = asyncio.create_task(plugin.run(in_turn(a, "n2", 1), told))
            await appears(a.home / "staged-n2")
            (a.home / "go").touch()
            assert "disturb.sh failed" in str(await failure(first))
            assert str(await failure(second)) == ("n2 was not changed, because n1 failed before it; fix that first.")
            assert told == ["waiting for other servers to finish"]
            assert not (a.home / "in-n2").exists()
            other = in_turn(a, "n3", 1).model_copy(update={"turn": DisruptionLimit(group="agents", width=1)})
            assert "disturb.sh failed" in str(await failure(plugin.run(other, Told()))), "a group of its own"

    play(scenario())


def test_failure_before_its_turn_stops_nobody(scripts: Path, tmp_path: Path) -> None:
    put(scripts, stage='[ "$NODE" = n2 ] || die broken', disturb="true", settle="echo settled")

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            assert "stage.sh failed" in str(await failure(plugin.run(in_turn(a, "n1", 1), Told())))
            assert await plugin.run(in_turn(a, "n2", 1), Told()) == "settled\n"

    play(scenario())


def test_cancel_begins_no_further_step(scripts: Path, tmp_path: Path) -> None:
    put(scripts, first="touch began; wait_for 5 test -e go; echo done >ended", second="touch second")

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = asyncio.create_task(plugin.run(task(a.machine(), *steps("first", "second")), Told()))
            await appears(a.home / "began")
            plugin.cancel()
            (a.home / "go").touch()
            assert "cancelled before second.sh" in str(await failure(work))
            assert (a.home / "ended").exists(), "what runs is let finish"
            assert not (a.home / "second").exists()

    play(scenario())


def settings(*servers: Computer) -> Settings:
    return Settings(keys=KEYS, servers=tuple(each.machine() for each in servers))


def test_a_step_on_a_server_runs_on_the_first_that_answers(scripts: Path, tmp_path: Path) -> None:
    put(scripts, where="pwd")

    async def scenario() -> None:
        async with computers(tmp_path, "a", "b") as (a, b):
            given = task(a.machine(), Step(script="where.sh", on="server"))
            assert await Runner(settings(a, b)).run(given, Told()) == f"{a.home}\n"
            await a.vanish()
            assert await Runner(settings(a, b)).run(given, Told()) == f"{b.home}\n"

    play(scenario())
