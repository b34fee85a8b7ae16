"""Turns, undoing, looking: who may disturb a machine when, and what happens to one that is gone."""

import asyncio
from pathlib import Path

import pytest

from provider.errors import TaskError
from provider.model import Settings, Step, Task, Turn
from provider.runner import Runner
from tests.plugin_bench import Told, appears, failure, play, put, scripts, steps, task
from tests.ssh_server import KEYS, Computer, computers

__all__ = ["scripts"]
IN_TURN = (Step(script="stage.sh"), Step(script="disturb.sh", turn=True), Step(script="settle.sh"))


def in_turn(computer: Computer, name: str, width: int) -> Task:
    variables = {"NODE": name, "WIDTH": str(width)}
    machine = computer.machine(name=name)
    return task(machine, *IN_TURN, variables=variables, turn=Turn(group="servers", width=width))


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
            assert str(await failure(second)) == ("n2 was not touched, because n1 failed before it; mend that first.")
            assert told == ["waiting for its turn among the servers"]
            assert not (a.home / "in-n2").exists()
            other = in_turn(a, "n3", 1).model_copy(update={"turn": Turn(group="agents", width=1)})
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
            plugin.cancelled = True
            (a.home / "go").touch()
            assert "cancelled before second.sh" in str(await failure(work))
            assert (a.home / "ended").exists(), "what runs is let finish"
            assert not (a.home / "second").exists()

    play(scenario())


UNDO = (Step(script="leave.sh"), Step(script="drop.sh", on="other"), Step(script="mark.sh", on="servers"))


def undoing(scripts: Path, computer: Computer) -> Task:
    put(scripts, leave="touch left", drop="touch dropped", mark="touch marked")
    return task(computer.machine(), undo=UNDO)


def settings(*servers: Computer) -> Settings:
    return Settings(keys=KEYS, servers=tuple(each.machine() for each in servers))


def seen(*places: Computer) -> list[list[str]]:
    return [sorted(file.name for file in each.home.iterdir()) for each in places]


def test_undo_asks_other_servers_than_the_one_that_leaves(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b", "c") as (a, b, c):
            warned = Told()
            await Runner(settings(a, b, c)).undo(undoing(scripts, a), Told(), warned)
            assert seen(a, b, c) == [["left", "marked"], ["dropped", "marked"], ["marked"]]
            assert warned == []

    play(scenario())


def test_undo_may_ask_the_only_server_there_is(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            put(scripts, guard="die 'there is something to lose'")
            given = task(a.machine(), undo=(Step(script="guard.sh", on="server"),))
            error = await failure(Runner(settings(a)).undo(given, Told(), Told()))
            assert str(error) == "a (127.0.0.1): guard.sh failed\nthere is something to lose"

    play(scenario())


def test_undo_gives_up_a_machine_that_does_not_answer(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b", "c") as (a, b, c):
            await a.vanish()
            await b.vanish()
            warned = Told()
            await Runner(settings(a, b, c)).undo(undoing(scripts, a), Told(), warned)
            assert seen(a, b, c) == [[], [], ["dropped", "marked"]]
            assert [text.split(" ")[0] for text in warned] == ["a", "b"]
            assert "leave.sh did not run. Wipe it before you use it again." in warned[0]

    play(scenario())


def test_machine_that_is_removed_along_with_its_key_is_tried_with_the_others(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b") as (a, b):
            gone, warned = a.machine(key="gone"), Told()
            given = undoing(scripts, a).model_copy(update={"machine": gone})
            await Runner(settings(b)).undo(given, Told(), warned)
            assert (seen(a, b), warned) == ([["left"], ["dropped", "marked"]], [])
            stranger = given.model_copy(update={"machine": a.machine(key="gone", user="other")})
            await Runner(settings(b)).undo(stranger, Told(), warned)
            assert warned[0].startswith("a (127.0.0.1): its key gone is no longer configured.\nIt is left as it is")

    play(scenario())


def test_undo_without_any_server_that_answers_is_an_error(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b", "c") as (a, b, c):
            await b.vanish()
            await c.vanish()
            error = await failure(Runner(settings(b, c)).undo(undoing(scripts, a), Told(), Told()))
            assert str(error).startswith("no server answers:\nb (127.0.0.1) does not answer on SSH port")
            assert "c (127.0.0.1)" in str(error)

    play(scenario())


def test_undo_that_fails_is_an_error(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b") as (a, b):
            given = undoing(scripts, a)
            put(scripts, leave="die 'it is stuck'")
            error = await failure(Runner(settings(a, b)).undo(given, Told(), Told()))
            assert str(error) == "a (127.0.0.1): leave.sh failed\nit is stuck"
            assert seen(a, b) == [[], []]

    play(scenario())


def test_undo_of_another_machine_is_refused_when_its_host_key_differs(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with computers(tmp_path, "a", "b") as (a, b):
            given = undoing(scripts, a)
            given = given.model_copy(update={"machine": a.machine(host_key=b.machine().host_key)})
            with pytest.raises(TaskError, match="shows another host key"):
                await Runner(settings(b)).undo(given, Told(), Told())
            assert (a.logins, seen(a)) == ([], [[]])

    play(scenario())


def test_a_step_on_a_server_runs_on_the_first_that_answers(scripts: Path, tmp_path: Path) -> None:
    put(scripts, where="pwd")

    async def scenario() -> None:
        async with computers(tmp_path, "a", "b") as (a, b):
            given = task(a.machine(), Step(script="where.sh", on="server"))
            assert await Runner(settings(a, b)).run(given, Told()) == f"{a.home}\n"
            await a.vanish()
            assert await Runner(settings(a, b)).run(given, Told()) == f"{b.home}\n"

    play(scenario())
