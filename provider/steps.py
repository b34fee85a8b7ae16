"""Run one step of a task where it belongs."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ApiAway, Foreign, TaskError, Unreachable
from .looks import Looks
from .model import Machine, Settings, Step, Task
from .reach import answer, boot_id, booted_anew, first_serving, serves
from .report import Report, redact
from .ssh import Connections, Progress, label, stream

SCRIPTS = Path(__file__).resolve().parent.parent / "components" / "scripts"
ANSWER_SECONDS = 60  # a machine may be on its way up
ATTEMPTS = 3  # scripts may be run again at any point
KINDS = {76: ApiAway, 77: Foreign}  # what the exit status of a script says, beside that it failed
TAIL = 40  # lines of a failed script that are shown


@dataclass(frozen=True)
class Work:
    """A task that is run or undone: what its scripts said so far, and where progress is reported."""

    task: Task
    report: Report
    progress: Progress


@dataclass
class Steps:
    """Runs steps on the machines of the settings."""

    settings: Settings
    connections: Connections
    looks: Looks
    cancelled: bool = False

    async def run(self, work: Work, step: Step, patience: float | None = None) -> str:
        """Run a step and return what it printed; on another server if its own stops serving. Raises TaskError.

        `patience` is how many seconds the task's own machine is waited for.
        """
        if step.on == "machine":
            return await self._run_on(work.task.machine, work, step, patience)
        for left in reversed(range(ATTEMPTS)):
            server = await self._server_for(work.task, step)
            if server is None:
                return ""
            try:
                return await self._run_on(server, work, step)
            except TaskError as error:
                alone = len(self.settings.servers) < 2
                if self.cancelled or not left or alone or await serves(self.connections, server, serves_script()):
                    raise
                await work.progress(f"{error}; trying it on another server")
        raise AssertionError("every attempt returns or raises")

    async def run_on_servers(self, work: Work, step: Step) -> tuple[str, list[TaskError]]:
        """Run a step on every server at once. Returns what they printed, and why some did not."""
        runs = (self._run_on(server, work, step) for server in self.settings.servers)
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, TaskError):
                raise result
        errors = [result for result in results if isinstance(result, TaskError)]
        return "".join(result for result in results if isinstance(result, str)), errors

    async def _run_on(self, machine: Machine, work: Work, step: Step, patience: float | None = None) -> str:
        """Run one script on a machine. One that goes away in the middle and returns is given it again."""
        if self.cancelled:
            raise TaskError(f"{label(machine)}: cancelled before {step.script}; the next run goes on from here.")
        for left in reversed(range(ATTEMPTS)):
            await answer(self.connections, machine, work.progress, ANSWER_SECONDS if patience is None else patience)
            try:
                if step.reboots:
                    return await self._reboot(machine, work, step)
                return await self._script(machine, work, step)
            except Unreachable as cause:
                if not left:
                    raise
                await work.progress(f"{cause}; waiting for its return")
            finally:
                self.looks.forget(machine)
        raise AssertionError("every attempt returns or raises")

    async def _script(self, machine: Machine, work: Work, step: Step) -> str:
        """Run a script to its end and return what it printed. Raises TaskError, Unreachable."""
        names, task = " ".join(server.name for server in self.settings.servers), work.task
        own = {"NOW": str(int(time.time())), "SERVERS": names, "FLAGS": " ".join(sorted(self.settings.flags))}
        text = script({**own, **task.variables, **task.secrets, **work.report.variables}, step.script)
        last = ""

        async def follow(line: str) -> None:
            nonlocal last
            last = line
            await work.progress(redact(f"{machine.name}: {line}", task))

        status, output, details = await self.connections.run(machine, text, follow)
        if status != 0:
            during = f", during: {last}" if last else ""
            tail = "\n".join(details[-TAIL:]).rstrip()
            raise KINDS.get(status, TaskError)(redact(f"{label(machine)}: {step.script} failed{during}\n{tail}", task))
        return output

    async def _reboot(self, machine: Machine, work: Work, step: Step) -> str:
        """Run a script that reboots the machine, and wait until it has booted anew."""
        boot = await boot_id(self.connections, machine)
        with contextlib.suppress(Unreachable):  # it may be gone before the script could say so
            await self._script(machine, work, step)
        await booted_anew(self.connections, machine, boot, work.progress)
        return ""

    async def _server_for(self, task: Task, step: Step) -> Machine | None:
        """The server that a step runs on; none where it wants another one than the only one. Raises TaskError."""
        elsewhere = step.on == "other"
        servers = tuple(s for s in self.settings.servers if not (elsewhere and s.name == task.machine.name))
        return await first_serving(self.connections, servers, serves_script()) if servers else None


def serves_script() -> str:
    """The script that asks a server whether its API is ready."""
    return script({}, "serves.sh")


def script(variables: Mapping[str, str], name: str) -> str:
    """A script behind the library, with its variables set."""
    return stream(variables, (SCRIPTS / "lib.sh").read_text(), (SCRIPTS / name).read_text())
