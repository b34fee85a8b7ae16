"""Run one step of a task on its target machine, with retries."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider.errors import ApiAway, Foreign, TaskError, Unreachable
from provider.model import Machine, Settings, Step, Task
from provider.ssh.connections import Connections, Progress, label
from provider.ssh.reachability import answer, boot_id, booted_anew, first_serving, serves
from provider.tasks.drift import Looks
from provider.tasks.script_text import script_text
from provider.tasks.step_output import Report, redact

SCRIPTS = Path(__file__).resolve().parents[2] / "components" / "scripts"
ANSWER_SECONDS = 60  # to wait for SSH, because the machine may be booting
ATTEMPTS = 3  # per step; scripts are idempotent
KINDS = {76: ApiAway, 77: Foreign}  # errors by exit status of a script
TAIL = 40  # lines of a failed script's standard error that are shown


@dataclass(frozen=True)
class Work:
    """One run or undo of a task, with the results of its steps so far."""

    task: Task
    report: Report
    progress: Progress


@dataclass
class Steps:
    """Runs steps on the machines in the plugin's settings."""

    settings: Settings
    connections: Connections
    looks: Looks
    cancelled: bool = False

    async def run(self, work: Work, step: Step, patience: float | None = None) -> str:
        """Run a step and return its output. If its server's API fails, another server is tried. Raises TaskError.

        `patience` is the number of seconds to wait for SSH on the task's own machine.
        """
        if step.on == "machine":
            return await self._run_on(work.task.machine, work, step, patience)
        for remaining in reversed(range(ATTEMPTS)):
            server = await self._server_for(work.task, step)
            if server is None:
                return ""
            try:
                return await self._run_on(server, work, step)
            except TaskError as error:
                single = len(self.settings.servers) < 2
                last = self.cancelled or not remaining or single
                if last or await serves(self.connections, server, serves_script()):
                    raise
                await work.progress(f"{error}; trying {step.script} on another server")
        raise AssertionError("every attempt returns or raises")

    async def run_on_servers(self, work: Work, step: Step) -> tuple[str, list[TaskError]]:
        """Run a step on all servers at the same time. Returns their joined output and the errors."""
        runs = (self._run_on(server, work, step) for server in self.settings.servers)
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, TaskError):
                raise result
        errors = [result for result in results if isinstance(result, TaskError)]
        return "".join(result for result in results if isinstance(result, str)), errors

    async def _run_on(self, machine: Machine, work: Work, step: Step, patience: float | None = None) -> str:
        """Run one script on a machine, and again if the connection is lost and the machine returns."""
        if self.cancelled:
            raise TaskError(f"{label(machine)}: cancelled before {step.script}; `pulumi up` continues from here.")
        for remaining in reversed(range(ATTEMPTS)):
            await answer(self.connections, machine, work.progress, ANSWER_SECONDS if patience is None else patience)
            try:
                if step.reboots:
                    return await self._reboot(machine, work, step)
                return await self._script(machine, work, step)
            except Unreachable as cause:
                if not remaining:
                    raise
                await work.progress(f"{cause}; waiting for SSH to answer again")
            finally:
                self.looks.forget(machine)
        raise AssertionError("every attempt returns or raises")

    async def _script(self, machine: Machine, work: Work, step: Step) -> str:
        """Run a script and return its output. Raises TaskError, Unreachable."""
        names, task = " ".join(server.name for server in self.settings.servers), work.task
        common = {"NOW": str(int(time.time())), "SERVERS": names, "FLAGS": " ".join(sorted(self.settings.flags))}
        text = script({**common, **task.variables, **task.secrets, **work.report.variables}, step.script)
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
        """Run a script that reboots the machine, and wait until the machine answers after the reboot."""
        boot = await boot_id(self.connections, machine)
        with contextlib.suppress(Unreachable):  # the reboot may cut the connection before the script ends
            await self._script(machine, work, step)
        await booted_anew(self.connections, machine, boot, work.progress)
        return ""

    async def _server_for(self, task: Task, step: Step) -> Machine | None:
        """Return the server for a step, None if it needs another server and there is none. Raises TaskError."""
        needs_other = step.on == "other"
        servers = tuple(s for s in self.settings.servers if not (needs_other and s.name == task.machine.name))
        return await first_serving(self.connections, servers, serves_script()) if servers else None


def serves_script() -> str:
    """Render the script that checks whether a server's API is ready."""
    return script({}, "node/check-api.sh")


def script(variables: Mapping[str, str], name: str) -> str:
    """Render a script with its variables and the library `lib.sh` in front of it. Raises TaskError."""
    return script_text(SCRIPTS, variables, name)
