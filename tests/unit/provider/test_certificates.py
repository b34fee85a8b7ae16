"""Machines and users with certificates: what is trusted beside pinned keys, and what is not."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from provider.errors import Unreachable
from provider.model import Settings
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, wait_for_file, write_scripts
from tests.support.ssh_server import CA_KEY, KEYS, USER, SshMachine, ssh_machines

TRUSTED = CA_KEY.export_public_key().decode().strip()
OTHER = asyncssh.generate_private_key("ssh-ed25519")
PINNED = OTHER.export_public_key().decode().strip()
"""A key that no machine here has: the one it had before it was set up anew."""


async def started(computer: SshMachine) -> None:
    await computer.lose_power()
    await computer.listen()


def test_machine_set_up_anew_is_trusted_by_its_certificate(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="echo here")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            a.certify("127.0.0.1")
            await started(a)
            work = task(a.machine(host_key=PINNED, host_authority=TRUSTED), *steps("any"))
            assert await Runner(Settings(keys=KEYS)).run(work, Reports()) == "here\n"

    run_scenario(scenario())


def test_bastion_is_trusted_by_its_certificate_too(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="echo here")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a", "b") as (a, b):
            b.certify("127.0.0.1")
            await started(b)
            bastion = b.as_bastion().model_copy(update={"host_key": PINNED, "host_authority": TRUSTED})
            work = task(a.machine(bastion=bastion, host_authority=TRUSTED), *steps("any"))
            assert await Runner(Settings(keys=KEYS)).run(work, Reports()) == "here\n"
            assert b.tunnels == [("127.0.0.1", a.port)]

    run_scenario(scenario())


def test_pinned_key_needs_no_certificate(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="echo here")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            ways: tuple[Callable[[], None], ...] = (
                lambda: None,
                lambda: a.certify("127.0.0.1", by=OTHER),
                lambda: a.certify("elsewhere"),
                a.certify,
            )
            for certify in ways:
                certify()
                await started(a)
                work = task(a.machine(host_authority=TRUSTED), *steps("any"))
                assert await Runner(Settings(keys=KEYS)).run(work, Reports()) == "here\n"

    run_scenario(scenario())


@pytest.mark.parametrize(
    ("certify", "cause"),
    [
        (lambda a: None, "Unable to find compatible server host key"),
        (lambda a: a.certify("127.0.0.1", by=OTHER), "Host CA key is not trusted"),
        (lambda a: a.certify("10.9.9.9"), "principal"),
        (lambda a: a.certify(), "has no principals, so the certificate would be valid for every host"),
        (lambda a: a.certify(), "ssh-keygen -s CA_KEY -h -I a -n 127.0.0.1"),
        (lambda a: a.certify("127.0.0.1", valid_before="-1h"), "expired"),
    ],
)
def test_other_certificates_are_refused_before_anything_is_sent(
    scripts: Path, tmp_path: Path, certify: Callable[[SshMachine], None], cause: str
) -> None:
    write_scripts(scripts, any="true")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            certify(a)
            await started(a)
            work = task(a.machine(host_key=PINNED, host_authority=TRUSTED), *steps("any"))
            error = await task_failure(Runner(Settings(keys=KEYS)).run(work, Reports()))
        assert not isinstance(error, Unreachable), "it would be tried again"
        assert "a (127.0.0.1) shows another host key than the pinned one; nothing was sent." in str(error)
        assert cause.lower() in str(error).lower()
        assert (a.logins, a.commands) == ([], [])

    run_scenario(scenario())


def test_without_an_authority_no_certificate_counts(scripts: Path, tmp_path: Path) -> None:
    write_scripts(scripts, any="true")

    async def scenario() -> None:
        async with ssh_machines(tmp_path, "a") as (a,):
            a.certify("127.0.0.1")
            await started(a)
            error = await task_failure(
                Runner(Settings(keys=KEYS)).run(task(a.machine(host_key=PINNED), *steps("any")), Reports())
            )
        assert "nothing was sent.\nIf the machine was reinstalled" in str(error)

    run_scenario(scenario())


@pytest.mark.parametrize(("valid_before", "enters"), [("+1h", True), ("-1h", False)])
def test_certificate_in_the_agent_opens_the_machine(
    scripts: Path, tmp_path: Path, agent_socket: Path, valid_before: str, enters: bool
) -> None:
    """The machine knows the authority, and not the key."""
    write_scripts(scripts, any="echo here")
    key = asyncssh.generate_private_key("ssh-ed25519")
    certificate = CA_KEY.generate_user_certificate(
        key.convert_to_public(), "me", principals=[USER], valid_after="-2h", valid_before=valid_before
    )
    file = tmp_path / "id"
    file.touch(mode=0o600)
    key.write_private_key(str(file))
    certificate.write_certificate(f"{file}-cert.pub")

    async def scenario() -> None:
        await wait_for_file(agent_socket)
        async with ssh_machines(tmp_path, "a") as (a,):
            subprocess.run(["ssh-add", "-q", str(file)], check=True)
            plugin, work = Runner(Settings()), task(a.machine(key=None), *steps("any"))
            if enters:
                assert await plugin.run(work, Reports()) == "here\n"
            else:
                assert "refuses the SSH login of user pi" in str(await task_failure(plugin.run(work, Reports())))

    run_scenario(scenario())
