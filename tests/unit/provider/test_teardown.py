"""A destroy of the whole lab: what it switches off, for how long, and who is asked."""

from pathlib import Path

import pytest

from provider.errors import TaskError
from provider.model import Settings, Step, Task
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, task, task_failure, write_scripts
from tests.support.ssh_server import KEYS, SshMachine, ssh_machines

LEAVE = (Step(script="drain.sh", on="other", unless=("retired",)), Step(script="leave.sh"))
RETIRE = (Step(script="cluster/set-destroy-marker.sh", on="servers"),)


def settings(*servers: SshMachine) -> Settings:
    return Settings(keys=KEYS, servers=tuple(each.machine() for each in servers))


def leaving(scripts: Path, computer: SshMachine) -> Task:
    write_scripts(
        scripts,
        drain="touch drained",
        leave='echo "${RETIRED:-no}" >left',
        **{"cluster/set-destroy-marker": "echo yes >mark"},
    )
    write_scripts(scripts, **{"cluster/check-destroy-marker": "cat mark 2>/dev/null || true"})
    return task(computer.machine(), undo=LEAVE)


def marked(*answers: tuple[SshMachine, str]) -> None:
    for computer, answer in answers:
        (computer.home / "mark").write_text(answer)


def drained(*places: SshMachine) -> list[bool]:
    return [(each.home / "drained").exists() for each in places]


def test_destroy_that_began_in_this_run_needs_no_drain(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            runner, given = Runner(settings(a, b)), leaving(scripts, a)
            await runner.undo(task(a.machine(), undo=RETIRE), Reports(), Reports(), program_runs=False)
            await runner.undo(given, Reports(), Reports(), program_runs=False)
            assert (drained(a, b), (a.home / "left").read_text()) == ([False, False], "yes\n")

    run_scenario(scenario())


def test_destroy_goes_on_where_a_server_does_not_answer(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            runner, warned = Runner(settings(a, b)), Reports()
            leaving(scripts, a)
            await b.lose_power()
            await runner.undo(task(a.machine(), undo=RETIRE), Reports(), warned, program_runs=False)
            assert (a.home / "mark").exists()
            assert [text.splitlines()[-1] for text in warned] == [
                "The script cluster/set-destroy-marker.sh did not run there."
            ]

    run_scenario(scenario())


@pytest.mark.parametrize("program_runs", [True, False])
def test_unfinished_destroy_counts_in_a_run_without_program_only(
    program_runs: bool, scripts: Path, tmp_path: Path
) -> None:
    """`pulumi up` brings a program, `pulumi destroy` none."""

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = leaving(scripts, a)
            marked((a, "yes"), (b, "yes"))
            await Runner(settings(a, b)).undo(given, Reports(), Reports(), program_runs=program_runs)
            assert drained(a, b) == [False, program_runs]

    run_scenario(scenario())


def test_a_server_that_is_no_node_any_more_has_no_say(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            given = leaving(scripts, a)
            marked((a, "yes"), (b, ""))
            await Runner(settings(a, b)).undo(given, Reports(), Reports(), program_runs=False)
            assert drained(a, b) == [False, False]

    run_scenario(scenario())


def test_marks_that_contradict_each_other_are_refused(scripts: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b", "c") as (a, b, c):
            given = leaving(scripts, a)
            marked((a, "no"), (b, "yes"), (c, "no"))
            with pytest.raises(
                TaskError,
                match=r"whole lab did not finish: its marker file is on b, but not on a, c\. No changes were made",
            ) as error:
                await Runner(settings(a, b, c)).undo(given, Reports(), Reports(), program_runs=False)
            assert "`pulumi up`" in str(error.value)
            assert drained(a, b, c) == [False] * 3

    run_scenario(scenario())


@pytest.mark.parametrize(
    ("program_runs", "secrets", "given"), [(False, {}, "none"), (True, {}, ""), (False, {"CLUSTER": "12ab"}, "12ab")]
)
def test_destroying_a_stack_from_before_identities_passes_machines_that_have_one(
    program_runs: bool, secrets: dict[str, str], given: str, scripts: Path, tmp_path: Path
) -> None:
    """They are another stack's by now. In `pulumi up` they may have been given theirs a moment ago."""

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            write_scripts(scripts, leave='echo "${CLUSTER:-}" >left')
            leaving = task(a.machine(), undo=(Step(script="leave.sh"),), secrets=secrets)
            await Runner(settings(a)).undo(leaving, Reports(), Reports(), program_runs=program_runs)
            assert (a.home / "left").read_text() == f"{given}\n"

    run_scenario(scenario())


def test_what_guards_data_is_not_passed_in_a_lab_that_is_half_brought_up_to_date(scripts: Path, tmp_path: Path) -> None:
    """Its machines have an identity by then, and the layer's task has none yet."""

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            guard = '[ "${CLUSTER:-}" != none ] || exit 77; die "there is something to lose"'
            write_scripts(scripts, **{"platform/check-remaining-data": guard, "node/check-api": "true"})
            guarded = task(a.machine(), undo=(Step(script="platform/check-remaining-data.sh", on="server"),))
            error = await task_failure(Runner(settings(a)).undo(guarded, Reports(), Reports(), program_runs=False))
            assert str(error).endswith("there is something to lose")

    run_scenario(scenario())
