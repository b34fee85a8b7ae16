"""What tests of the plugin share: scripts of their own, tasks, and what a task reported."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from provider.errors import TaskError
from provider.model import Machine, Step, Task
from provider.ssh import reachability
from provider.tasks import drift, runner
from provider.tasks import steps as plugin_steps
from tests.support.settings_fixtures import ROOT


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts with the real library; the plugin takes its scripts from there and loses patience soon."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    for name in ("lib.sh", "cluster/check-destroy-marker.sh", "node/check-api.sh"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "components/scripts" / name, folder / name)
    monkeypatch.setattr(plugin_steps, "SCRIPTS", folder)
    monkeypatch.setattr(plugin_steps, "SSH_SECONDS", 0.3)
    monkeypatch.setattr(runner, "UNDO_SSH_SECONDS", 0.1)
    monkeypatch.setattr(drift, "CONNECT_SECONDS", 30)  # a busy computer is no machine that is off
    monkeypatch.setattr(reachability, "POLL_SECONDS", 0.05)
    return folder


def put(folder: Path, **texts: str) -> None:
    """Write scripts; every one is named by its keyword."""
    for name, text in texts.items():
        script = folder / f"{name}.sh"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"main() {{\n{text}\n}}\nmain </dev/null\n")


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


async def appears(file: Path) -> None:
    """Wait until a script made the file."""
    end = time.monotonic() + 5
    while not file.exists():
        assert time.monotonic() < end, f"{file} did not appear"
        await asyncio.sleep(0.01)
