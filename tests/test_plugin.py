"""The plugin against real SSH servers: what reaches a machine, what comes back, and every way to fail."""

import asyncio
import base64
import shutil
import time
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from provider import runner
from provider.errors import TaskError, Unreachable
from provider.model import Machine, Settings, Step, Task
from provider.runner import Runner
from tests.settings_fixtures import ROOT
from tests.ssh_server import KEY, KEYS, computers

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


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts with the real library; the plugin takes its scripts from there and loses patience soon."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    shutil.copy(ROOT / "components/scripts/lib.sh", folder)
    monkeypatch.setattr(runner, "SCRIPTS", folder)
    monkeypatch.setattr(runner, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(runner, "GONE_SECONDS", 0.1)
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.05)
    return folder


def put(folder: Path, **texts: str) -> None:
    """Write scripts; every one is named by its keyword."""
    for name, text in texts.items():
        (folder / f"{name}.sh").write_text(f"main() {{\n{text}\n}}\nmain </dev/null\n")


def steps(*names: str) -> tuple[Step, ...]:
    return tuple(Step(script=f"{name}.sh") for name in names)


def task(machine: Machine, *run: Step, **inputs: Any) -> Task:
    return Task(machine=machine, run=run, digest="", **inputs)


class Told(list[str]):
    """What a task reported."""

    async def __call__(self, message: str) -> None:
        self.append(message)


def play(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


async def failure(work: Awaitable[Any]) -> TaskError:
    with pytest.raises(TaskError) as caught:
        await work
    return caught.value


def test_task_returns_what_its_scripts_print_and_flags_decide_what_runs(scripts: Path, tmp_path: Path) -> None:
    put(
        scripts, first="echo one; flag red; echo 'not a flag: x'; say working", wanted="echo wanted", other="echo other"
    )

    async def scenario() -> None:
        told = Told()
        async with computers(tmp_path, "a") as (a,):
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

    play(scenario())


def test_hostile_values_reach_the_script_as_they_are(scripts: Path, tmp_path: Path) -> None:
    put(scripts, show="\n".join(f'printf %s "${name}" | base64 -w0; echo' for name in HOSTILE))

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            for kind in ("variables", "secrets"):
                given = task(a.machine(), *steps("show"), **{kind: HOSTILE})
                output = await Runner(Settings(keys=KEYS)).run(given, Told())
                assert [base64.b64decode(line).decode() for line in output.splitlines()] == list(HOSTILE.values())
            assert list(a.home.iterdir()) == []
            assert a.commands == ["bash -s", "bash -s"]

    play(scenario())


def test_secrets_are_on_no_command_line_and_in_no_error(scripts: Path, tmp_path: Path) -> None:
    secret = "correct-horse\nbattery-staple"
    look = 'tr "\\0" " " </proc/$$/cmdline >seen; env >>seen'
    put(scripts, fail=f'say "using $KEY"; {look}; echo "$KEY" >&2; die "no: $KEY"')

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            given = task(a.machine(sudo=True), *steps("fail"), secrets={"KEY": secret})
            error = await failure(Runner(Settings(keys=KEYS)).run(given, Told()))
        assert a.commands == ["sudo -n bash -s"]
        for text in (str(error), (a.home / "seen").read_text()):
            assert not any(line in text for line in secret.splitlines())
        assert str(error).startswith("a (127.0.0.1): fail.sh failed, during: using [secret]")

    play(scenario())


def test_failed_script_says_where_and_the_later_ones_do_not_run(scripts: Path, tmp_path: Path) -> None:
    put(scripts, fail="say trying it; no-such-program", later="touch later")

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            error = await failure(Runner(Settings(keys=KEYS)).run(task(a.machine(), *steps("fail", "later")), Told()))
        assert "fail.sh failed, during: trying it" in str(error)
        assert "no-such-program: command not found" in str(error)
        assert not (a.home / "later").exists()

    play(scenario())


def test_size_does_not_matter(scripts: Path, tmp_path: Path) -> None:
    put(scripts, size='echo "${#BIG}"; printf %s "$BIG"; echo; printf %s "$BIG" >&2', last="die end")
    big = "x" * (3 << 20)

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            output = await plugin.run(task(a.machine(), *steps("size"), variables={"BIG": big}), Told())
            assert output.splitlines() == [str(len(big)), big]
            error = await failure(plugin.run(task(a.machine(), *steps("last"), variables={"BIG": big}), Told()))
            assert str(error).endswith("\nend")

    play(scenario())


def test_many_tasks_share_one_connection_within_its_limit(scripts: Path, tmp_path: Path) -> None:
    put(scripts, slow='touch "$NODE"; wait_for 5 test -e go; echo "$NODE"')

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            tasks = [task(a.machine(), *steps("slow"), variables={"NODE": f"n{n}"}) for n in range(50)]
            (a.home / "go").touch()
            outputs = await asyncio.gather(*(plugin.run(each, Told()) for each in tasks))
        assert outputs == [f"n{n}\n" for n in range(50)]
        assert a.logins == ["pi"]

    play(scenario())


def test_another_host_key_is_refused_before_anything_is_sent(scripts: Path, tmp_path: Path) -> None:
    put(scripts, any="true")
    pinned = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            work = Runner(Settings(keys=KEYS)).run(task(a.machine(host_key=pinned), *steps("any")), Told())
            error = await failure(work)
        assert not isinstance(error, Unreachable), "it would be tried again"
        assert "a (127.0.0.1) shows another host key than the one pinned; nothing was sent" in str(error)
        assert (a.logins, a.commands) == ([], [])

    play(scenario())


def test_refused_user_is_an_error_at_once(scripts: Path, tmp_path: Path) -> None:
    put(scripts, any="true")
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            error = await failure(Runner(Settings(keys={"key": other})).run(task(a.machine(), *steps("any")), Told()))
        assert not isinstance(error, Unreachable)
        assert "a (127.0.0.1) refuses user pi" in str(error)
        assert (a.logins, a.commands) == (["pi"], [])

    play(scenario())


def test_what_is_no_private_key_is_refused_by_its_name() -> None:
    with pytest.raises(TaskError, match="the secret sshKey is no SSH private key") as caught:
        Runner(Settings(keys={"sshKey": "correct-horse"}))
    assert "correct-horse" not in str(caught.value)
    locked = KEY.export_private_key("pkcs8-pem", passphrase="x").decode()
    with pytest.raises(TaskError, match="without passphrase"):
        Runner(Settings(keys={"sshKey": locked}))


def test_nothing_listening_is_waited_for_and_named(scripts: Path, tmp_path: Path) -> None:
    put(scripts, any="echo here")

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin, told = Runner(Settings(keys=KEYS)), Told()
            await a.vanish()
            error = await failure(plugin.run(task(a.machine(), *steps("any")), told))
            assert isinstance(error, Unreachable)
            assert f"a (127.0.0.1) does not answer on SSH port {a.port}" in str(error)
            assert told[0].startswith("waiting up to 0 s for SSH: a (127.0.0.1)")
            booting = asyncio.create_task(plugin.run(task(a.machine(), *steps("any")), told))
            await asyncio.sleep(0.1)
            await a.listen()
            assert await booting == "here\n"

    play(scenario())


async def appears(file: Path) -> None:
    """Wait until a script made the file."""
    end = time.monotonic() + 5
    while not file.exists():
        assert time.monotonic() < end, f"{file} did not appear"
        await asyncio.sleep(0.01)


def test_connection_lost_in_mid_script_fails_the_task_and_the_next_dials_anew(scripts: Path, tmp_path: Path) -> None:
    put(scripts, long="touch began; wait_for 10 test -e never", any="echo here")

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = asyncio.create_task(plugin.run(task(a.machine(), *steps("long")), Told()))
            await appears(a.home / "began")
            await a.vanish()
            assert "a (127.0.0.1): the connection was lost" in str(await failure(work))
            await a.listen()
            assert await plugin.run(task(a.machine(), *steps("any")), Told()) == "here\n"

    play(scenario())


def test_machine_is_reached_through_its_bastion_alone(scripts: Path, tmp_path: Path) -> None:
    put(scripts, where="pwd")

    async def scenario() -> None:
        async with computers(tmp_path, "bastion", "inside") as (bastion, inside):
            plugin = Runner(Settings(keys=KEYS))
            machine = inside.machine(bastion=bastion.hop())
            assert await plugin.run(task(machine, *steps("where")), Told()) == f"{inside.home}\n"
            assert bastion.tunnels == [("127.0.0.1", inside.port)]
            assert bastion.commands == []
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            hop = bastion.hop().model_copy(update={"host_key": other})
            error = await failure(plugin.run(task(inside.machine(bastion=hop), *steps("where")), Told()))
            assert "bastion (127.0.0.1) shows another host key" in str(error)

    play(scenario())


def test_reboot_is_waited_for_until_the_machine_has_booted_anew(scripts: Path, tmp_path: Path) -> None:
    put(scripts, reboot="touch reboot", after="echo after")
    run = (Step(script="reboot.sh", reboots=True), *steps("after"))

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            told = Told()
            assert await Runner(Settings(keys=KEYS)).run(task(a.machine(), *run), told) == "after\n"
            assert a.boot == 2
            assert told == ["a: waiting for it to come back from its reboot"]

    play(scenario())


def test_machine_that_does_not_boot_anew_is_named(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(scripts, reboot="true")
    monkeypatch.setattr(runner, "REBOOT_SECONDS", 0.3)

    async def scenario() -> None:
        async with computers(tmp_path, "a") as (a,):
            given = task(a.machine(), Step(script="reboot.sh", reboots=True))
            error = await failure(Runner(Settings(keys=KEYS)).run(given, Told()))
        assert "a (127.0.0.1) did not come back within 0.3 s of its reboot" in str(error)

    play(scenario())
