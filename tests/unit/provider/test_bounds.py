"""What a machine prints, and how long it takes, are bounded; what it prints sets nothing that it may not set."""

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError

from provider.model import Settings, Step
from provider.ssh import connections as ssh
from provider.ssh import output as limits
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, write_scripts
from tests.support.ssh_server import KEYS, ssh_machines


def test_output_without_end_is_cut_off(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OUTPUT_CHARS", 1 << 20)
    write_scripts(scripts, endless="yes", after="echo after")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            runner = Runner(Settings(keys=KEYS))
            error = await task_failure(runner.run(task(a.machine(), *steps("endless")), Reports()))
            assert str(error) == "a (127.0.0.1): the script printed more than 1 MiB"
            assert await runner.run(task(a.machine(), *steps("after")), Reports()) == "after\n"

    run_scenario(scenario())


def test_a_line_without_end_is_cut_off(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, long="head -c 40000000 /dev/zero | tr '\\0' x >&2; echo >&2; die 'the end'")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            error = await task_failure(Runner(Settings(keys=KEYS)).run(task(a.machine(), *steps("long")), Reports()))
            cut, *_, last = str(error).splitlines()[1:]
            assert (len(cut), last) == (limits.MAX_LINE_CHARS, "the end")

    run_scenario(scenario())


def test_terminal_escapes_are_not_passed_on(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, escape=r"say $'\e[2Jclean \e]0;title\aup\r'; die $'\e[31mred\e[0m \xe2\x80\xaetxet'")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            told = Reports()
            error = await task_failure(Runner(Settings(keys=KEYS)).run(task(a.machine(), *steps("escape")), told))
            assert told == ["a: clean up"]
            assert str(error).splitlines() == ["a (127.0.0.1): escape.sh failed, during: clean up", "red \ufffdtxet"]

    run_scenario(scenario())


def test_a_script_that_hangs_is_ended(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, hang="touch began; sleep 60")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            connections = ssh.Connections(KEYS)
            script = (scripts / "hang.sh").read_text()
            error = await task_failure(connections.run(a.machine(), script, ssh.no_progress, 1))
            assert str(error) == "a (127.0.0.1): the script did not end within 1 s"
            assert a.commands == ["timeout -k 30 1 bash -s"]

    run_scenario(scenario())


def test_a_machine_that_does_not_end_a_script_is_not_waited_for(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "KILL_SECONDS", 1)
    write_scripts(scripts, hang="sleep 60")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            script = (scripts / "hang.sh").read_text()
            work = ssh.Connections(KEYS).run(a.machine(), script, ssh.no_progress, 0)
            error = await task_failure(asyncio.wait_for(work, 15))
            assert "did not end within 0 s" in str(error)

    run_scenario(scenario())


@pytest.mark.parametrize("name", ["../x.sh", "/etc/x.sh", "x", "x.sh; true", "a/b/c.sh", "a/../b.sh", ".sh"])
def test_a_step_names_a_script_and_no_path(name: str) -> None:
    with pytest.raises(ValidationError):
        Step(script=name)


def test_a_machine_sets_no_variable_but_those_that_its_step_declares(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, print='echo "export: CA=abc"; echo "export: NODE=other"; echo "export: A;touch owned=1"')
    write_scripts(scripts, show='echo "$CA $NODE"')

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            run = (Step(script="print.sh", exports=("CA",)), Step(script="show.sh"))
            output = await Runner(Settings(keys=KEYS)).run(task(a.machine(), *run, variables={"NODE": "a"}), Reports())
            assert output.splitlines()[-1] == "abc a"
            assert not (a.home / "owned").exists()

    run_scenario(scenario())


@pytest.mark.parametrize("raised", ["retired", "unreachable", "discard-longhorn", "discard-node-a"])
def test_a_machine_raises_no_flag_that_is_for_the_owner_or_the_plugin_to_raise(
    raised: str, scripts: Path, tmp_path: Path
) -> None:
    """Or the one that is removed would decide that it is not drained and that no data are guarded."""
    write_scripts(
        scripts,
        lie=f"raise_flag {raised}; raise_flag changed",
        drop="touch dropped",
        **{"platform/check-remaining-data": "touch guarded"},
    )
    undo = (
        Step(script="lie.sh"),
        Step(script="drop.sh", unless=("retired", "unreachable"), when=("changed",)),
        Step(script="platform/check-remaining-data.sh", unless=(raised,)),
    )

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            await Runner(Settings(keys=KEYS)).undo(task(a.machine(), undo=undo), Reports(), Reports())
            assert sorted(file.name for file in a.home.iterdir()) == ["dropped", "guarded"]

    run_scenario(scenario())


@pytest.mark.parametrize("separator", [r"\f", r"\v", r"\r", r"\x1c", r"\xe2\x80\xa8", r"\xc2\x85"])
def test_text_within_a_line_is_no_flag(separator: str, scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, quote=f"printf 'volume {separator}flag: changed\\n'", next="touch ran")
    run = (Step(script="quote.sh"), Step(script="next.sh", when=("changed",)))

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            output = await Runner(Settings(keys=KEYS)).run(task(a.machine(), *run), Reports())
            assert output.endswith("flag: changed\n")
            assert not (a.home / "ran").exists()

    run_scenario(scenario())
