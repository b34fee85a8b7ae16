"""The way to a machine: pinned, through a bastion, across reboots, and every way to fail."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from provider.errors import TaskError, Unreachable
from provider.model import Settings, Step
from provider.ssh import reachability
from provider.ssh.connections import Connections
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, wait_for_file, write_scripts
from tests.support.ssh_server import KEYS, USER_KEY, SshMachine, ssh_machines


def test_another_host_key_is_refused_before_anything_is_sent(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="true")
    pinned = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            work = Runner(Settings(keys=KEYS)).run(task(a.machine(host_key=pinned), *steps("any")), Reports())
            error = await task_failure(work)
        assert not isinstance(error, Unreachable), "it would be tried again"
        assert "a (127.0.0.1) shows another host key than the pinned one; nothing was sent" in str(error)
        assert (a.logins, a.commands) == ([], [])

    run_scenario(scenario())


def test_refused_user_is_an_error_at_once(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="true")
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            error = await task_failure(
                Runner(Settings(keys={"key": other})).run(task(a.machine(), *steps("any")), Reports())
            )
        assert not isinstance(error, Unreachable)
        assert "a (127.0.0.1) refuses the SSH login of user pi" in str(error)
        assert (a.logins, a.commands) == (["pi"], [])

    run_scenario(scenario())


def test_what_is_no_private_key_is_refused_by_its_name() -> None:
    with pytest.raises(TaskError, match="the secret sshKey must be a valid SSH private key") as caught:
        Runner(Settings(keys={"sshKey": "correct-horse"}))
    assert "correct-horse" not in str(caught.value)
    locked = USER_KEY.export_private_key("pkcs8-pem", passphrase="x").decode()
    with pytest.raises(TaskError, match="without passphrase"):
        Runner(Settings(keys={"sshKey": locked}))


def test_nothing_listening_is_waited_for_and_named(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="echo here")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin, told = Runner(Settings(keys=KEYS)), Reports()
            await a.lose_power()
            error = await task_failure(plugin.run(task(a.machine(), *steps("any")), told))
            assert isinstance(error, Unreachable)
            assert f"a (127.0.0.1) does not answer on SSH port {a.port}" in str(error)
            assert told[0].startswith("waiting up to 0 s for SSH: a (127.0.0.1)")
            booting = asyncio.create_task(plugin.run(task(a.machine(), *steps("any")), told))
            await asyncio.sleep(0.1)
            await a.listen()
            assert await booting == "here\n"

    run_scenario(scenario())


def test_connection_lost_in_mid_script_fails_the_task_and_the_next_dials_anew(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, long="touch began; wait_for 10 test -e never", any="echo here")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            plugin = Runner(Settings(keys=KEYS))
            work = asyncio.create_task(plugin.run(task(a.machine(), *steps("long")), Reports()))
            await wait_for_file(a.home / "began")
            await a.lose_power()
            assert "a (127.0.0.1) does not answer on SSH port" in str(await task_failure(work))
            await a.listen()
            assert await plugin.run(task(a.machine(), *steps("any")), Reports()) == "here\n"

    run_scenario(scenario())


def test_machine_is_reached_through_its_bastion_alone(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, where="pwd")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "bastion", "inside") as (bastion, inside):
            plugin = Runner(Settings(keys=KEYS))
            machine = inside.machine(bastion=bastion.as_bastion())
            assert await plugin.run(task(machine, *steps("where")), Reports()) == f"{inside.home}\n"
            assert bastion.tunnels == [("127.0.0.1", inside.port)]
            assert bastion.commands == []
            other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
            hop = bastion.as_bastion().model_copy(update={"host_key": other})
            error = await task_failure(plugin.run(task(inside.machine(bastion=hop), *steps("where")), Reports()))
            assert "bastion (127.0.0.1) shows another host key" in str(error)

    run_scenario(scenario())


def test_no_connection_stays_on_the_bastion(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="true")

    async def closed(bastion: SshMachine) -> None:
        for connection in bastion.connections:
            await asyncio.wait_for(connection.ssh.wait_closed(), 5)

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "bastion", "inside") as (bastion, inside):
            connections, machine = Connections(KEYS), inside.machine(bastion=bastion.as_bastion())
            await connections.connect(machine)
            connections.close(machine)
            await closed(bastion)
            await inside.lose_power()
            for _ in range(2):
                assert isinstance(await task_failure(connections.connect(machine)), Unreachable)
            assert len(bastion.connections) == 3
            await closed(bastion)

    run_scenario(scenario())


def test_reboot_is_waited_for_until_the_machine_has_booted_anew(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, reboot="touch reboot", after="echo after")
    run = (Step(script="reboot.sh", reboots=True), *steps("after"))

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            told = Reports()
            assert await Runner(Settings(keys=KEYS)).run(task(a.machine(), *run), told) == "after\n"
            assert a.boot == 2
            assert told == ["a: waiting for the machine to answer on SSH after the reboot"]

    run_scenario(scenario())


def test_machine_that_does_not_boot_anew_is_named(
    scripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scripts(scripts, reboot="true")
    monkeypatch.setattr(reachability, "REBOOT_SECONDS", 0.3)

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            given = task(a.machine(), Step(script="reboot.sh", reboots=True))
            error = await task_failure(Runner(Settings(keys=KEYS)).run(given, Reports()))
        assert "a (127.0.0.1) did not answer on SSH within 0.3 s after its reboot" in str(error)

    run_scenario(scenario())


def test_machine_that_is_lost_before_its_reboot_is_named(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, reboot="true")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            a.max_sessions = 0
            given = task(a.machine(), Step(script="reboot.sh", reboots=True))
            error = await task_failure(Runner(Settings(keys=KEYS)).run(given, Reports()))
        assert isinstance(error, Unreachable)
        assert str(error).startswith("a (127.0.0.1): the SSH connection was lost before the reboot (Session refused")

    run_scenario(scenario())
