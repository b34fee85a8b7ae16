"""Logging in with the keys of an SSH agent."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provider.model import Settings
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Told, appears, failure, play, put, scripts, steps, task
from tests.support.ssh_server import KEY, computers

__all__ = ["scripts"]


@pytest.fixture
def socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of an agent that holds no key; there is no other key to be found."""
    found = tmp_path / "agent"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(found))
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(found)], stdout=subprocess.DEVNULL)
    yield found
    agent.terminate()
    agent.wait()


def test_key_of_the_agent_opens_the_machine(scripts: Path, tmp_path: Path, socket: Path) -> None:
    put(scripts, any="echo here")

    async def scenario() -> None:
        await appears(socket)
        async with computers(tmp_path, "a") as (a,):
            work = task(a.machine(key=None), *steps("any"))
            assert "refuses user pi" in str(await failure(Runner(Settings()).run(work, Told())))
            private = KEY.export_private_key().decode()
            subprocess.run(["ssh-add", "-q", "-"], input=private, text=True, check=True)
            assert await Runner(Settings()).run(work, Told()) == "here\n"

    play(scenario())
