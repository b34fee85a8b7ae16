"""Undo: what a task did is taken back, and only the machine that is removed may be given up."""

import asyncio
from pathlib import Path

import pytest

from provider.errors import HostKeyMismatch
from provider.model import Settings, Step, Task
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, task, task_failure, wait_for_file, write_scripts
from tests.support.ssh_server import KEYS, SshMachine, ssh_machines

FALL_SILENT = "sleep 20"
UNDO = (Step(script="node/uninstall-k3s.sh"), Step(script="drop.sh", on="other"), Step(script="mark.sh", on="servers"))


def undoing(scripts: Path, computer: SshMachine) -> Task:
    write_scripts(scripts, **{"node/uninstall-k3s": "touch left"}, drop="touch dropped", mark="touch marked")
    return task(computer.machine(), undo=UNDO)


def settings(*servers: SshMachine) -> Settings:
    return Settings(keys=KEYS, servers=tuple(each.machine() for each in servers))


def seen(*places: SshMachine) -> list[list[str]]:
    return [sorted(file.name for file in each.home.iterdir()) for each in places]


def test_undo_asks_other_servers_than_the_one_that_leaves(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            warned = Reports()
            await Runner(settings(a, b, c)).undo(undoing(scripts, a), Reports(), warned)
            assert seen(a, b, c) == [["left", "marked"], ["dropped", "marked"], ["marked"]]
            assert warned == []

    run_scenario(scenario())


def test_scripts_are_told_that_they_undo(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            write_scripts(scripts, **{"node/configure-machine": 'echo "undo ${UNDO:-no}" >>said'})
            step = (Step(script="node/configure-machine.sh"),)
            given = task(a.machine(), *step, undo=step)
            await Runner(settings(a)).run(given, Reports())
            await Runner(settings(a)).undo(given, Reports(), Reports())
            assert (a.home / "said").read_text() == "undo no\nundo yes\n"

    run_scenario(scenario())


def test_undo_may_ask_the_only_server_there_is(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            write_scripts(scripts, **{"platform/check-remaining-data": "die 'there is something to lose'"})
            given = task(a.machine(), undo=(Step(script="platform/check-remaining-data.sh", on="server"),))
            error = await task_failure(Runner(settings(a)).undo(given, Reports(), Reports()))
            assert str(error) == "a (127.0.0.1): platform/check-remaining-data.sh failed\nthere is something to lose"

    run_scenario(scenario())


def test_undo_gives_up_a_machine_that_does_not_answer(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            await a.lose_power()
            await b.lose_power()
            warned = Reports()
            await Runner(settings(a, b, c)).undo(undoing(scripts, a), Reports(), warned)
            assert seen(a, b, c) == [[], [], ["dropped", "marked"]]
            assert [text.split(" ")[0] for text in warned] == ["a", "a", "b"]
            assert "node/uninstall-k3s.sh did not run. Wipe a before you use it again." in warned[0]
            assert all("mark.sh did not run there." in text for text in warned[1:])

    run_scenario(scenario())


SERVICE = (Step(script="away.sh"), Step(script="platform/check-remaining-data.sh", on="server"))


def serving(scripts: Path, computer: SshMachine) -> Task:
    """What a layer set up on a machine."""
    write_scripts(scripts, away="touch away", **{"platform/check-remaining-data": "touch guarded"})
    return task(computer.machine(), undo=SERVICE)


def test_a_machine_that_stays_is_not_given_up(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            await a.lose_power()
            warned = Reports()
            error = await task_failure(Runner(settings(a, b)).undo(serving(scripts, a), Reports(), warned))
            assert str(error).startswith("a (127.0.0.1) does not answer on SSH port")
            assert str(error).endswith("away.sh did not run, and a is still in `nodes`: make the machine reachable, "
                                       "or remove it from `nodes`; then run `pulumi up` again.")  # fmt: skip
            assert (seen(b), warned) == ([[]], [])

    run_scenario(scenario())


def test_nobody_is_advised_to_wipe_a_machine_that_lost_a_layer_only(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            await a.lose_power()
            warned = Reports()
            await Runner(settings(b)).undo(serving(scripts, a), Reports(), warned)
            assert [text.splitlines()[-1] for text in warned] == [
                "homelab did not clean up a, because the script away.sh did not run."
            ]
            assert seen(b) == [["guarded"]]
            given = Settings(keys=KEYS, servers=(a.machine(), b.machine()))
            await Runner(given, deletes_unreachable=True).undo(serving(scripts, a), Reports(), warned)
            assert len(warned) == 2

    run_scenario(scenario())


def test_machine_that_is_removed_along_with_its_key_is_tried_with_the_others(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            gone, warned = a.machine(key="gone"), Reports()
            given = undoing(scripts, a).model_copy(update={"machine": gone})
            await Runner(settings(b)).undo(given, Reports(), warned)
            assert (seen(a, b), warned) == ([["left"], ["dropped", "marked"]], [])
            stranger = given.model_copy(update={"machine": a.machine(key="gone", user="other")})
            await Runner(settings(b)).undo(stranger, Reports(), warned)
            assert warned[0].startswith(
                "a (127.0.0.1) refuses the login, and the stack no longer has the SSH key gone.\n"
                "homelab did not clean up a"
            )

    run_scenario(scenario())


def test_undo_without_any_server_that_answers_is_an_error(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            await b.lose_power()
            await c.lose_power()
            error = await task_failure(Runner(settings(b, c)).undo(undoing(scripts, a), Reports(), Reports()))
            assert str(error).startswith(
                "no server of the cluster answers on SSH:\nb (127.0.0.1) does not answer on SSH port"
            )
            assert "c (127.0.0.1)" in str(error)

    run_scenario(scenario())


def test_undo_that_fails_is_an_error(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = undoing(scripts, a)
            write_scripts(scripts, **{"node/uninstall-k3s": "die 'it is stuck'"})
            error = await task_failure(Runner(settings(a, b)).undo(given, Reports(), Reports()))
            assert str(error) == "a (127.0.0.1): node/uninstall-k3s.sh failed\nit is stuck"
            assert seen(a, b) == [[], []]

    run_scenario(scenario())


def test_a_removed_entry_whose_address_shows_another_key_is_given_up(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            warned, given = Reports(), undoing(scripts, a)
            given = given.model_copy(update={"machine": a.machine(host_key=b.machine().host_key)})
            await Runner(settings(b)).undo(given, Reports(), warned)
            assert (a.logins, seen(a, b)) == ([], [[], ["dropped", "marked"]])
            assert "shows another host key" in warned[0]

    run_scenario(scenario())


def test_undo_fails_when_a_server_shows_another_key(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            wrong = b.machine(host_key=a.machine().host_key)
            with pytest.raises(HostKeyMismatch, match=r"b .* shows another host key"):
                await Runner(Settings(keys=KEYS, servers=(wrong,))).undo(undoing(scripts, a), Reports(), Reports())

    run_scenario(scenario())


def test_undo_fails_when_the_bastion_shows_another_key(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            bastion = b.as_bastion().model_copy(update={"host_key": a.as_bastion().host_key})
            given = undoing(scripts, a).model_copy(update={"machine": a.machine(bastion=bastion)})
            with pytest.raises(HostKeyMismatch, match=r"b .* shows another host key"):
                await Runner(settings(b)).undo(given, Reports(), Reports())
            assert seen(a, b) == [[], []]

    run_scenario(scenario())


DROP = f'[ ! -e slow ] || {{ touch began; {FALL_SILENT}; }}; echo "${{UNREACHABLE:-}}" >dropped'


def dropping(scripts: Path, computer: SshMachine) -> Task:
    write_scripts(scripts, drop=DROP, **{"node/uninstall-k3s": "touch uninstalled", "node/check-api": "true"})
    run = (Step(script="drop.sh", on="other"), Step(script="node/uninstall-k3s.sh"))
    return task(computer.machine(), undo=run)


def test_a_server_lost_during_a_step_is_not_taken_for_the_one_that_is_removed(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            (b.home / "slow").touch()
            warned = Reports()
            work = asyncio.create_task(Runner(settings(a, b, c)).undo(dropping(scripts, a), Reports(), warned))
            await wait_for_file(b.home / "began")
            await b.lose_power()
            await work
            assert (seen(a, c), warned) == ([["uninstalled"], ["dropped"]], [])
            assert (c.home / "dropped").read_text() == "\n"

    run_scenario(scenario())


def test_nothing_is_uninstalled_when_every_server_is_lost_during_a_step(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            (b.home / "slow").touch()
            work = asyncio.create_task(Runner(settings(a, b)).undo(dropping(scripts, a), Reports(), Reports()))
            await wait_for_file(b.home / "began")
            await b.lose_power()
            assert "no server of the cluster answers on SSH" in str(await task_failure(work))
            assert seen(a) == [[]]

    run_scenario(scenario())


def test_scripts_are_told_that_the_machine_was_given_up(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            await a.lose_power()
            given, warned = dropping(scripts, a), Reports()
            given = given.model_copy(update={"undo": (Step(script="node/uninstall-k3s.sh"), *given.undo)})
            await Runner(settings(b)).undo(given, Reports(), warned)
            assert (b.home / "dropped").read_text() == "yes\n"
            assert len(warned) == 1, "what runs on the machine is skipped once it was given up"

    run_scenario(scenario())


def test_what_nobody_can_undo_is_removed_where_its_owner_says_so(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given, warned = undoing(scripts, a), Reports()
            await a.lose_power()
            await b.lose_power()
            runner = Runner(settings(a, b), deletes_unreachable=True)
            await runner.undo(given, Reports(), warned)
            assert ["HOMELAB_DELETE_UNREACHABLE" in text for text in warned] == [False, True, True]

    run_scenario(scenario())


def test_a_machine_of_another_cluster_is_not_undone(scripts: Path, tmp_path: Path) -> None:
    """Its old stack is destroyed after the machine was given to a new one."""

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given, warned = dropping(scripts, a), Reports()
            write_scripts(scripts, member="echo 'it is another cluster`s' >&2; exit 77")
            uninstall = Step(script="node/uninstall-k3s.sh", unless=("foreign",))
            given = given.model_copy(update={"undo": (Step(script="member.sh"), *given.undo[:1], uninstall)})
            await Runner(settings(b)).undo(given, Reports(), warned)
            assert seen(a, b) == [[], ["dropped"]]
            assert warned == [
                "a (127.0.0.1): member.sh failed\nit is another cluster`s\nThe script member.sh did not run there."
            ]

    run_scenario(scenario())


def test_scripts_hear_that_another_machine_is_at_the_address(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = dropping(scripts, a)
            given = given.model_copy(update={"undo": (Step(script="leave.sh"), *given.undo[:1])})
            write_scripts(scripts, leave="raise_flag foreign", drop='touch "foreign-${FOREIGN:-no}"')
            await Runner(settings(b)).undo(given, Reports(), Reports())
            assert seen(b) == [["foreign-yes"]]

    run_scenario(scenario())


def test_what_scripts_print_while_they_undo_is_a_warning(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given, warned = dropping(scripts, a), Reports()
            write_scripts(scripts, drop="echo 'volume films is lost'")
            await Runner(settings(b)).undo(given, Reports(), warned)
            assert warned == ["volume films is lost"]

    run_scenario(scenario())
