"""Scripts, tasks and reports for tests of the plugin."""

import asyncio
import time
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from provider.errors import TaskError
from provider.model import Machine, Step, Task


def write_scripts(folder: Path, **texts: str) -> None:
    """Write scripts, each named by its keyword."""
    for name, text in texts.items():
        script = folder / f"{name}.sh"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"main() {{\n{text}\n}}\nmain </dev/null\n")


def steps(*names: str) -> tuple[Step, ...]:
    return tuple(Step(script=f"{name}.sh") for name in names)


def task(machine: Machine, *run: Step, **inputs: Any) -> Task:
    return Task(machine=machine, run=run, digest="", **inputs)


class Reports(list[str]):
    """Records a task's reports."""

    async def __call__(self, message: str) -> None:
        self.append(message)


def run_scenario(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


async def task_failure(work: Awaitable[Any]) -> TaskError:
    with pytest.raises(TaskError) as caught:
        await work
    return caught.value


async def wait_for_file(file: Path) -> None:
    """Wait up to five seconds until a script has created the file."""
    end = time.monotonic() + 5
    while not file.exists():
        assert time.monotonic() < end, f"{file} did not appear"
        await asyncio.sleep(0.01)
