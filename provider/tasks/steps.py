"""Run one step of a task on its target machine, with retries."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provider.errors import ApiUnavailable, OtherCluster, TaskError, Unreachable
from provider.model import Machine, Settings, Step, Task
from provider.ssh.connections import Connections, Progress, machine_label
from provider.ssh.reachability import api_is_ready, boot_id, first_ready_server, wait_for_reboot, wait_for_ssh
from provider.tasks.drift import DriftChecks
from provider.tasks.script_text import script_text
from provider.tasks.step_output import StepResults, redact

SCRIPTS = Path(__file__).resolve().parents[2] / "components" / "scripts"
SSH_SECONDS = 60  # to wait for SSH, because the machine may be booting
ATTEMPTS = 3  # per step; scripts are idempotent
ERRORS_BY_STATUS = {76: ApiUnavailable, 77: OtherCluster}  # exit statuses of scripts
SHOWN_LINES = 40  # of a failed script's standard error


@dataclass(frozen=True)
class TaskRun:
    """One run of a task or of its undo steps, with the results of the finished steps."""

    task: Task
    results: StepResults
    progress: Progress


@dataclass
class Steps:
    """Runs steps on the task's own machine, or on the servers in the plugin's settings."""

    settings: Settings
    connections: Connections
    drift_checks: DriftChecks
    cancelled: bool = False

    async def run(self, task_run: TaskRun, step: Step, ssh_seconds: float | None = None) -> str:
        """Run a step and return its output.

        If the Kubernetes API of the step's server fails, another server runs the step. Raises TaskError. `ssh_seconds`
        limits the wait for SSH on the task's own machine.
        """
        if step.on == "machine":
            return await self._run_on(task_run.task.machine, task_run, step, ssh_seconds)
        for remaining in reversed(range(ATTEMPTS)):
            server = await self._server_for(task_run.task, step)
            if server is None:
                return ""
            try:
                return await self._run_on(server, task_run, step)
            except TaskError as error:
                single = len(self.settings.servers) < 2
                last = self.cancelled or not remaining or single
                if last or await api_is_ready(self.connections, server, api_ready_script()):
                    raise
                await task_run.progress(f"{error}; trying {step.script} on another server")
        raise AssertionError("every attempt returns or raises")

    async def run_on_servers(self, task_run: TaskRun, step: Step) -> tuple[str, list[TaskError]]:
        """Run a step on all servers at the same time.

        Returns the outputs of all servers as one text, and the errors of the servers that failed.
        """
        runs = (self._run_on(server, task_run, step) for server in self.settings.servers)
        results = await asyncio.gather(*runs, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, TaskError):
                raise result
        errors = [result for result in results if isinstance(result, TaskError)]
        return "".join(result for result in results if isinstance(result, str)), errors

    async def _run_on(self, machine: Machine, task_run: TaskRun, step: Step, ssh_seconds: float | None = None) -> str:
        """Run a step's script on a machine. Run the script again if the SSH connection is lost."""
        if self.cancelled:
            raise TaskError(
                f"{machine_label(machine)}: Pulumi was cancelled before {step.script}; run `pulumi up` to continue."
            )
        for remaining in reversed(range(ATTEMPTS)):
            await wait_for_ssh(
                self.connections, machine, task_run.progress, SSH_SECONDS if ssh_seconds is None else ssh_seconds
            )
            try:
                if step.reboots:
                    return await self._reboot(machine, task_run, step)
                return await self._script(machine, task_run, step)
            except Unreachable as cause:
                if not remaining:
                    raise
                await task_run.progress(f"{cause}; waiting for SSH to answer again")
            finally:
                self.drift_checks.invalidate(machine)
        raise AssertionError("every attempt returns or raises")

    async def _script(self, machine: Machine, task_run: TaskRun, step: Step) -> str:
        """Run a step's script and return the script's output. Raises TaskError, Unreachable."""
        names, task = " ".join(server.name for server in self.settings.servers), task_run.task
        common = {"NOW": str(int(time.time())), "SERVERS": names, "FLAGS": " ".join(sorted(self.settings.flags))}
        text = load_script({**common, **task.variables, **task.secrets, **task_run.results.variables}, step.script)
        last = ""

        async def follow(line: str) -> None:
            nonlocal last
            last = line
            await task_run.progress(redact(f"{machine.name}: {line}", task))

        status, output, details = await self.connections.run(machine, text, follow)
        if status != 0:
            during = f", during: {last}" if last else ""
            tail = "\n".join(details[-SHOWN_LINES:]).rstrip()
            raise ERRORS_BY_STATUS.get(status, TaskError)(
                redact(f"{machine_label(machine)}: {step.script} failed{during}\n{tail}", task)
            )
        return output

    async def _reboot(self, machine: Machine, task_run: TaskRun, step: Step) -> str:
        """Run a script that reboots the machine, and wait until the machine answers after the reboot."""
        boot = await boot_id(self.connections, machine)
        with contextlib.suppress(Unreachable):  # the reboot may cut the connection before the script ends
            await self._script(machine, task_run, step)
        await wait_for_reboot(self.connections, machine, boot, task_run.progress)
        return ""

    async def _server_for(self, task: Task, step: Step) -> Machine | None:
        """Return the server that runs a step, or None if the step needs a second server in a cluster with one server.

        Raises TaskError.
        """
        needs_other = step.on == "other"
        servers = tuple(s for s in self.settings.servers if not (needs_other and s.name == task.machine.name))
        return await first_ready_server(self.connections, servers, api_ready_script()) if servers else None


def api_ready_script() -> str:
    """Render the script that checks whether a server's Kubernetes API is ready."""
    return load_script({}, "node/check-api.sh")


def load_script(variables: Mapping[str, str], name: str) -> str:
    """Render a script, preceded by its variables and by the library `lib.sh`. Raises TaskError."""
    return script_text(SCRIPTS, variables, name)
