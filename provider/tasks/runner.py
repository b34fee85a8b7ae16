"""Run the steps of a task in order, or undo them; every failure becomes one TaskError."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from provider.charts.contents import crds
from provider.errors import Foreign, TaskError, Unreachable
from provider.model import Machine, Settings, Step, Task
from provider.ssh.connections import Connections, Progress, label, quiet
from provider.ssh.reachability import first_serving
from provider.tasks import steps
from provider.tasks.concurrency import Turns
from provider.tasks.drift import Looks
from provider.tasks.removal import Removal, of_some_cluster
from provider.tasks.step_output import FOREIGN, RETIRED, UNREACHABLE, Report
from provider.tasks.steps import Steps, Work
from provider.tasks.teardown import MARKER, RETIRE, Teardown

GONE_SECONDS = 10  # to wait for SSH on a machine that is being removed
CHECK_SECONDS = 10  # to find a server that can check whether nodes may be removed


@dataclass
class Runner:
    """Runs and undoes tasks. The plugin has one runner per configuration.

    With `deletes_unreachable` a step whose machine or API does not answer is skipped when its task is undone.
    """

    settings: Settings
    deletes_unreachable: bool = False
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self._connections = Connections(self.settings.keys)
        self._looks = Looks(self._connections, steps.SCRIPTS)
        self._steps = Steps(self.settings, self._connections, self._looks)
        self._removal = Removal(self.settings, self.deletes_unreachable)
        self._teardown = Teardown(self.settings.servers, self._mark)

    def cancel(self) -> None:
        """Start no further step."""
        self._steps.cancelled = True

    def look_around(self) -> None:
        """Start the drift checks of all machines at the same time, before the engine asks for their results."""
        for machine in (*self.settings.servers, *self.settings.agents):
            for script in self.settings.probes:
                self._looks.begin(machine, script, {})

    async def run(self, task: Task, progress: Progress) -> str:
        """Run the task and return what its scripts printed. Raises TaskError."""
        work = Work(await _with_chart(task, progress), Report(set(self.settings.flags)), progress)
        async for step in self._wanted(work, work.task.run):
            work.report.add(await self._run(work, step), step.exports)
        return work.report.output

    async def _run(self, work: Work, step: Step) -> str:
        if step.on != "servers":
            return await self._steps.run(work, step)
        output, errors = await self._steps.run_on_servers(work, step)
        if errors:
            raise errors[0]
        return output

    async def undo(self, task: Task, progress: Progress, warn: Progress, *, program_runs: bool = True) -> None:
        """Undo the task. Raises TaskError.

        If the task's own machine does not answer, its steps are skipped with a warning. A step on a server is retried
        on another server, and fails if no server answers. A machine of another cluster is skipped. Output of the
        scripts becomes a warning. Without a program (`pulumi destroy`), an unfinished destroy is resumed.
        """
        report = Report(set(self.settings.flags))
        work = Work(task if program_runs else of_some_cluster(task), report, progress)
        if task.undo and await self._teardown.under_way(program_runs=program_runs):
            report.raise_flag(RETIRED)
        async for step in self._wanted(work, task.undo):
            if step.on == "machine" and UNREACHABLE in report.flags:
                continue
            try:
                report.add(await self._undo(work, step, warn), step.exports)
                if FOREIGN in report.flags:
                    report.raise_flag(FOREIGN)  # node/check-ownership.sh raised it; this sets the variable as well
            except TaskError as error:
                if not self._removal.may_give_up(work, step, error):
                    raise
                if step.on == "machine":
                    report.raise_flag(FOREIGN if isinstance(error, Foreign) else UNREACHABLE)
                await warn(f"{error}\n{self._removal.left(task, step, error)}")
        if report.output.strip():
            await warn(report.output.strip())

    async def _undo(self, work: Work, step: Step, warn: Progress) -> str:
        if step.on != "servers":
            return await self._steps.run(work, step, GONE_SECONDS)
        output, errors = await self._steps.run_on_servers(work, step)
        fatal = [error for error in errors if not isinstance(error, Unreachable)]
        if fatal or len(errors) == len(self.settings.servers):
            raise (fatal or errors)[0]
        self._teardown.begun |= step.script == RETIRE
        for error in errors:
            await warn(f"{error}\n{step.script} did not run there.")
        return output

    async def _wanted(self, work: Work, steps: tuple[Step, ...]) -> AsyncIterator[Step]:
        """Yield the steps whose conditions are met; the task holds its turn from the first disruptive step on."""
        async with contextlib.AsyncExitStack() as stack:
            turn = work.task.turn
            for step in steps:
                if not work.report.wants(step):
                    continue
                if step.turn and turn:
                    await work.progress(f"waiting for other {turn.group} to finish")
                    await stack.enter_async_context(self.turns.take(turn, work.task.machine.name))
                    turn = None
                yield step

    async def look(self, machine: Machine, probe: str, variables: Mapping[str, str]) -> str:
        """Return the differences between the machine and its applied state, one per line. Raises TaskError."""
        return await asyncio.shield(self._looks.begin(machine, probe, variables))

    async def check_removal(self, servers: Sequence[str], nodes: Sequence[str]) -> None:
        """Validate that these servers, and these nodes of any role, may be removed. Raises TaskError.

        If no server answers within `CHECK_SECONDS`, the check is skipped: the removal of each node checks it again.
        """
        variables = {"GOING": " ".join(servers), "NODES": " ".join(nodes), "FLAGS": " ".join(self.settings.flags)}
        try:
            server = await asyncio.wait_for(self._server(), CHECK_SECONDS)
            script = steps.script(variables, "cluster/check-quorum.sh")
            status, _, details = await self._connections.run(server, script, quiet)
        except (TaskError, TimeoutError):
            return
        if status:
            raise TaskError("\n".join(details).rstrip())

    async def verify(self, task: Task) -> None:
        """Validate that the machine answers with its new connection settings. Raises TaskError."""
        await self._connections.connect(task.machine)

    async def _server(self) -> Machine:
        """Return a server, preferably one whose API is ready. Raises TaskError."""
        return await first_serving(self._connections, self.settings.servers, steps.serves_script())

    async def _mark(self, server: Machine) -> str:
        """Return the server's mark of an unfinished destroy: `yes`, `no`, or nothing. Raises TaskError."""
        status, output, details = await self._connections.run(server, steps.script({}, MARKER), quiet)
        if status:
            raise TaskError(f"{label(server)}: {MARKER} failed\n" + "\n".join(details[-5:]))
        return output


async def _with_chart(task: Task, progress: Progress) -> Task:
    """Add the CRDs of the task's chart to its variables, for this run only. Raises TaskError."""
    if not task.chart:
        return task
    await progress(f"reading the chart {task.chart.name} {task.chart.version}")
    documents = await asyncio.to_thread(crds, task.chart)
    return task.model_copy(update={"variables": {**task.variables, "CRDS": documents}})
