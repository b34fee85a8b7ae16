"""Run or undo the steps of a task, and raise every failure as a TaskError."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from provider.charts.contents import crds
from provider.errors import OtherCluster, TaskError, Unreachable
from provider.model import Machine, Settings, Step, Task
from provider.ssh.connections import Connections, Progress, machine_label, no_progress
from provider.ssh.reachability import first_ready_server
from provider.tasks import steps
from provider.tasks.concurrency import Turns
from provider.tasks.drift import DriftChecks
from provider.tasks.removal import RemovalRules, with_cluster_identity
from provider.tasks.step_output import FOREIGN, RETIRED, UNDO, UNREACHABLE, StepResults
from provider.tasks.steps import Steps, TaskRun
from provider.tasks.teardown import MARK_SCRIPT, RETIRE_SCRIPT, Teardown

UNDO_SSH_SECONDS = 10  # to wait for SSH on a machine that is being removed
CHECK_SECONDS = 10  # to find a server that can check whether nodes may be removed


@dataclass
class Runner:
    """Runs and undoes tasks. The plugin creates a new runner each time Pulumi's engine configures the plugin.

    With `deletes_unreachable`, undoing a task skips the steps whose machine or Kubernetes API does not answer.
    """

    settings: Settings
    deletes_unreachable: bool = False
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self._connections = Connections(self.settings.keys)
        self._drift_checks = DriftChecks(self._connections, steps.SCRIPTS)
        self._steps = Steps(self.settings, self._connections, self._drift_checks)
        self._removal = RemovalRules(self.settings, self.deletes_unreachable)
        self._teardown = Teardown(self.settings.servers, self._mark)

    def cancel(self) -> None:
        """Start no further step."""
        self._steps.cancelled = True

    def start_drift_checks(self) -> None:
        """Start the drift checks of all machines at the same time, before Pulumi's engine requests the results."""
        for machine in (*self.settings.servers, *self.settings.agents):
            for script in self.settings.probes:
                self._drift_checks.start(machine, script, {})

    async def run(self, task: Task, progress: Progress) -> str:
        """Run the task and return the output of its scripts. Raises TaskError."""
        task_run = TaskRun(await _with_chart(task, progress), StepResults(set(self.settings.flags)), progress)
        async for step in self._due_steps(task_run, task_run.task.run):
            task_run.results.add_output(await self._run(task_run, step), step.exports)
        return task_run.results.output

    async def _run(self, task_run: TaskRun, step: Step) -> str:
        if step.on != "servers":
            return await self._steps.run(task_run, step)
        output, errors = await self._steps.run_on_servers(task_run, step)
        if errors:
            raise errors[0]
        return output

    async def undo(self, task: Task, progress: Progress, warn: Progress, *, program_runs: bool = True) -> None:
        """Undo the task. Raises TaskError.

        If the task's own machine is being removed and does not answer, homelab skips the steps on the machine with a
        warning. homelab retries a step that runs on a server on another server; the step fails if no server answers.
        homelab skips a step if its machine belongs to another cluster. Pulumi shows the output of undo steps as a
        warning. `program_runs` is false if the Pulumi program does not run, as in `pulumi destroy`. In this case,
        homelab also continues an earlier `pulumi destroy` that did not finish.
        """
        results = StepResults(set(self.settings.flags))
        results.raise_flag(UNDO)
        task_run = TaskRun(task if program_runs else with_cluster_identity(task), results, progress)
        if task.undo and await self._teardown.in_progress(program_runs=program_runs):
            results.raise_flag(RETIRED)
        async for step in self._due_steps(task_run, task.undo):
            if step.on == "machine" and UNREACHABLE in results.flags:
                continue
            try:
                results.add_output(await self._undo(task_run, step, warn), step.exports)
                if FOREIGN in results.flags:
                    results.raise_flag(FOREIGN)  # the script raised only the flag; set the variable as well
            except TaskError as error:
                if not self._removal.may_skip(task_run, step, error):
                    raise
                if step.on == "machine":
                    results.raise_flag(FOREIGN if isinstance(error, OtherCluster) else UNREACHABLE)
                await warn(f"{error}\n{self._removal.skip_warning(task, step, error)}")
        if results.output.strip():
            await warn(results.output.strip())

    async def _undo(self, task_run: TaskRun, step: Step, warn: Progress) -> str:
        if step.on != "servers":
            return await self._steps.run(task_run, step, UNDO_SSH_SECONDS)
        output, errors = await self._steps.run_on_servers(task_run, step)
        fatal = [error for error in errors if not isinstance(error, Unreachable)]
        if fatal or len(errors) == len(self.settings.servers):
            raise (fatal or errors)[0]
        self._teardown.started |= step.script == RETIRE_SCRIPT
        for error in errors:
            await warn(f"{error}\nThe script {step.script} did not run there.")
        return output

    async def _due_steps(self, task_run: TaskRun, steps: tuple[Step, ...]) -> AsyncIterator[Step]:
        """Yield the steps of a task whose `when` and `unless` conditions are met by the flags of earlier steps.

        Before the first disruptive step, wait until the task may disrupt its machine.
        """
        async with contextlib.AsyncExitStack() as stack:
            limit = task_run.task.turn
            for step in steps:
                if not task_run.results.conditions_met(step):
                    continue
                if step.turn and limit:
                    await task_run.progress(f"waiting for other {limit.group} to finish")
                    await stack.enter_async_context(self.turns.take(limit, task_run.task.machine.name))
                    limit = None
                yield step

    async def check_drift(self, machine: Machine, probe: str, variables: Mapping[str, str]) -> str:
        """Return the differences between the machine and its last applied state, one per line. Raises TaskError."""
        return await asyncio.shield(self._drift_checks.start(machine, probe, variables))

    async def check_removal(self, servers: Sequence[str], nodes: Sequence[str]) -> None:
        """Validate that the cluster can lose `nodes`; `servers` contains the K3s servers among these nodes.

        Raises TaskError. If no server answers within `CHECK_SECONDS`, homelab skips the check; the removal of each node
        repeats the check.
        """
        removed = {"REMOVED_SERVERS": " ".join(servers), "NODES": " ".join(nodes)}
        variables = {**removed, "FLAGS": " ".join(self.settings.flags)}
        try:
            server = await asyncio.wait_for(self._server(), CHECK_SECONDS)
            status, _, details = await self._connections.run(
                server, steps.load_script(variables, "cluster/check-node-removal.sh"), no_progress
            )
        except (TaskError, TimeoutError):
            return
        if status:
            raise TaskError("\n".join(details).rstrip())

    async def verify_connection(self, task: Task) -> None:
        """Validate that the task's machine answers on SSH with its new connection settings. Raises TaskError."""
        await self._connections.connect(task.machine)

    async def _server(self) -> Machine:
        """Return a server that answers on SSH, preferably a server whose Kubernetes API is ready. Raises TaskError."""
        return await first_ready_server(self._connections, self.settings.servers, steps.api_ready_script())

    async def _mark(self, server: Machine) -> str:
        """Return `yes` if the server has the marker file of an unfinished `pulumi destroy`, `no` if the file is
        missing, and an empty text if the server is no longer a node.

        Raises TaskError.
        """
        script = steps.load_script({}, MARK_SCRIPT)
        status, output, details = await self._connections.run(server, script, no_progress)
        if status:
            raise TaskError(f"{machine_label(server)}: {MARK_SCRIPT} failed\n" + "\n".join(details[-5:]))
        return output


async def _with_chart(task: Task, progress: Progress) -> Task:
    """Return a copy of the task with the CRDs of the task's Helm chart in the variable `CRDS`. Raises TaskError."""
    if not task.chart:
        return task
    await progress(f"reading the chart {task.chart.name} {task.chart.version}")
    documents = await asyncio.to_thread(crds, task.chart)
    return task.model_copy(update={"variables": {**task.variables, "CRDS": documents}})
