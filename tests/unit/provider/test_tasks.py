"""The plugin against real SSH servers: what reaches a machine, what comes back."""

import asyncio
import base64
from pathlib import Path

import pytest

from provider.model import Chart, Settings, Step
from provider.tasks import runner
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, write_scripts
from tests.support.ssh_server import KEYS, ssh_machines

HOSTILE = {
    "QUOTES": """it's "quoted" ''' \\' \\" \\\\""",
    "COMMANDS": "$(touch owned) `touch owned` ${HOME} $PATH; touch owned & touch owned | touch owned",
    "LINES": "one\ntwo\n\n  three\n\nEOF\nmain </dev/null\n",
    "UNICODE": "Grüße, 你好 🏠 \u00a0\u2028",
    "OPTIONS": "-rf --help -",
    "GLOBS": "* ? [a-z] ~ !! {a,b} #comment",
    "EDGES": "\t trailing \r\n",
    "EMPTY": "",
}


def test_task_returns_what_its_scripts_print_and_flags_decide_what_runs(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, first="echo one; raise_flag red; echo 'not a flag: x'; say working")
    write_scripts(scripts, wanted="echo wanted", other="echo other")

    async def scenario() -> None:
        told = Reports()
        async with ssh_machines(tmp_path, "a") as (a,):
            run = (
                *steps("first"),
                Step(script="wanted.sh", when=("red",)),
                Step(script="other.sh", when=("red", "blue")),
                Step(script="other.sh", unless=("red",)),
                Step(script="wanted.sh", unless=("blue",)),
            )
            output = await Runner(Settings(keys=KEYS)).run(task(a.machine(), *run), told)
        assert output == "one\nnot a flag: x\nwanted\nwanted\n"
        assert told == ["a: working"]
        assert len(a.connections) == 0
        assert a.logins == ["pi"], "one connection for all steps"

    run_scenario(scenario())


def test_hostile_values_reach_the_script_as_they_are(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, show="\n".join(f'printf %s "${name}" | base64 -w0; echo' for name in HOSTILE))

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            for kind in ("variables", "secrets"):
                given = task(a.machine(), *steps("show"), **{kind: HOSTILE})
                output = await Runner(Settings(keys=KEYS)).run(given, Reports())
                assert [base64.b64decode(line).decode() for line in output.splitlines()] == list(HOSTILE.values())
            assert list(a.home.iterdir()) == []
            assert a.commands == ["timeout -k 30 3600 bash -s"] * 2

    run_scenario(scenario())


def test_secrets_are_on_no_command_line_and_in_no_error(scripts: Path, tmp_path: Path) -> None:
    secret = "correct-horse\nbattery-staple"
    look = 'tr "\\0" " " </proc/$$/cmdline >seen; env >>seen'
    write_scripts(scripts, fail=f'say "using $KEY"; {look}; echo "$KEY" >&2; die "no: $KEY"')

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            given = task(a.machine(sudo=True), *steps("fail"), secrets={"KEY": secret})
            told = Reports()
            error = await task_failure(Runner(Settings(keys=KEYS)).run(given, told))
        assert a.commands == ["sudo -n timeout -k 30 3600 bash -s"]
        for text in (str(error), (a.home / "seen").read_text(), *told):
            assert not any(line in text for line in secret.splitlines())
        assert str(error).startswith("a (127.0.0.1): fail.sh failed, during: using [secret]")

    run_scenario(scenario())


def test_failed_script_says_where_and_the_later_ones_do_not_run(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, fail="say trying it; no-such-program", later="touch later")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            error = await task_failure(
                Runner(Settings(keys=KEYS)).run(task(a.machine(), *steps("fail", "later")), Reports())
            )
        assert "fail.sh failed, during: trying it" in str(error)
        assert "no-such-program: command not found" in str(error)
        assert not (a.home / "later").exists()

    run_scenario(scenario())


def test_flags_of_the_settings_are_raised_from_the_start(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, kept="touch kept", lost="touch lost", undone="touch undone")
    guarded = Step(script="kept.sh", unless=("discard-volumes",))

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            told = Settings(keys=KEYS, servers=(a.machine(),), flags=("discard-volumes",))
            given = task(a.machine(), guarded, Step(script="lost.sh", when=("discard-volumes",)), undo=(guarded,))
            await Runner(told).run(given, Reports())
            await Runner(told).undo(given, Reports(), Reports())
            assert {file.name for file in a.home.iterdir()} == {"lost"}
            await Runner(told.model_copy(update={"flags": ("discard-others",)})).undo(given, Reports(), Reports())
            assert {file.name for file in a.home.iterdir()} == {"lost", "kept"}

    run_scenario(scenario())


def test_crds_of_a_chart_reach_the_scripts(scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scripts(scripts, show='printf %s "$CRDS"', undone='touch "without ${CRDS-crds}"')
    chart = Chart(name="web", version="1", repository="http://lab/charts")
    text = "kind: CustomResourceDefinition\n# " + "x" * (3 << 20)
    monkeypatch.setattr(runner, "crds", {chart: text}.__getitem__)

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            given, told = task(a.machine(), *steps("show"), undo=steps("undone"), chart=chart), Reports()
            assert await Runner(Settings(keys=KEYS)).run(given, told) == text
            assert told == ["reading the chart web 1"]
            await Runner(Settings(keys=KEYS)).undo(given, told, told)
            assert (a.home / "without crds").exists(), "nothing is fetched to undo it"

    run_scenario(scenario())


def test_size_does_not_matter(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, size='echo "${#BIG}"; printf %s "$BIG"; echo; printf %s "$BIG" >&2', last="die end")
    big = "x" * (3 << 20)

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            output = await plugin.run(task(a.machine(), *steps("size"), variables={"BIG": big}), Reports())
            assert output.splitlines() == [str(len(big)), big]
            error = await task_failure(plugin.run(task(a.machine(), *steps("last")), Reports()))
            assert str(error).endswith("\nend")

    run_scenario(scenario())


def test_many_tasks_share_one_connection_within_its_limit(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, slow='touch "$NODE"; wait_for 5 test -e go; echo "$NODE"')

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            tasks = [task(a.machine(), *steps("slow"), variables={"NODE": f"n{n}"}) for n in range(50)]
            (a.home / "go").touch()
            outputs = await asyncio.gather(*(plugin.run(each, Reports()) for each in tasks))
        assert outputs == [f"n{n}\n" for n in range(50)]
        assert a.logins == ["pi"]

    run_scenario(scenario())
