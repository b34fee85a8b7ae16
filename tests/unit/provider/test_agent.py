"""Logging in with the keys of an SSH agent."""

import subprocess
from pathlib import Path

from provider.model import Settings
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Told, appears, failure, play, put, steps, task
from tests.support.ssh_server import KEY, computers


def test_key_of_the_agent_opens_the_machine(scripts: Path, tmp_path: Path, agent_socket: Path) -> None:
    put(scripts, any="echo here")

    async def scenario() -> None:
        await appears(agent_socket)
        async with computers(tmp_path, "a") as (a,):
            work = task(a.machine(key=None), *steps("any"))
            assert "refuses user pi" in str(await failure(Runner(Settings()).run(work, Told())))
            private = KEY.export_private_key().decode()
            subprocess.run(["ssh-add", "-q", "-"], input=private, text=True, check=True)
            assert await Runner(Settings()).run(work, Told()) == "here\n"

    play(scenario())
