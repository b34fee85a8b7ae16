"""Logging in with the keys of an SSH agent."""

import subprocess
from pathlib import Path

from provider.model import Settings
from provider.tasks.runner import Runner
from tests.support.plugin_fixtures import Reports, run_scenario, steps, task, task_failure, wait_for_file, write_scripts
from tests.support.ssh_server import USER_KEY, ssh_machines


def test_key_of_the_agent_opens_the_machine(scripts: Path, tmp_path: Path, agent_socket: Path) -> None:
    write_scripts(scripts, any="echo here")

    async def scenario() -> None:
        await wait_for_file(agent_socket)
        async with ssh_machines(tmp_path, "a") as (a,):
            work = task(a.machine(key=None), *steps("any"))
            assert "refuses the SSH login of user pi" in str(
                await task_failure(Runner(Settings()).run(work, Reports()))
            )
            private = USER_KEY.export_private_key().decode()
            subprocess.run(["ssh-add", "-q", "-"], input=private, text=True, check=True)
            assert await Runner(Settings()).run(work, Reports()) == "here\n"

    run_scenario(scenario())
