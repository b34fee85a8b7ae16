"""Run a task's steps in their order, undo them, and turn what goes wrong into one clear error."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from . import steps
from .charts import crds
from .errors import Foreign, TaskError, Unreachable
from .looks import Looks
from .model import Machine, Settings, Step, Task
from .reach import first_serving
from .removal import Removal, of_some_cluster
from .report import FOREIGN, RETIRED, UNREACHABLE, Report
from .ssh import Connections, Progress, label, quiet
from .steps import Steps, Work
from .teardown import RETIRE, Teardown
from .turns import Turns

GONE_SECONDS = 10  # a machine that is removed is not waited for longer
CHECK_SECONDS = 10  # until a server is found that can say whether nodes may be removed


@dataclass
class Runner:
    """Runs tasks; one for the life of the plugin.

    With `deletes_unreachable` a task is undone although nothing that could do it answers.
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
        """Begin no further step."""
        self._steps.cancelled = True

    def look_around(self) -> None:
        """Begin to look at every machine at once, so that what is asked later is known by then."""
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

        Only the task's own machine may be given up, with a warning, when it does not answer. A step elsewhere is
        retried on another server, and fails if there is none. A machine of another cluster is left alone. What scripts
        print is a warning, too. Without a program (`pulumi destroy`) an earlier, unfinished destroy goes on.
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
                    report.raise_flag(FOREIGN)  # member.sh says so
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
        """The steps whose flags are raised, and from the first that disturbs on, the task's turn with them."""
        async with contextlib.AsyncExitStack() as stack:
            turn = work.task.turn
            for step in steps:
                if not work.report.wants(step):
                    continue
                if step.turn and turn:
                    await work.progress(f"waiting for its turn among the {turn.group}")
                    await stack.enter_async_context(self.turns.take(turn, work.task.machine.name))
                    turn = None
                yield step

    async def look(self, machine: Machine, probe: str, variables: Mapping[str, str]) -> str:
        """What differs on the machine from what was done, a line each. Raises TaskError."""
        return await asyncio.shield(self._looks.begin(machine, probe, variables))

    async def check_removal(self, servers: Sequence[str], nodes: Sequence[str]) -> None:
        """Make sure that these servers, and these nodes of any role, may be removed. Raises TaskError.

        Where no server answers within `CHECK_SECONDS`, nobody knows: it is asked again before each is removed.
        """
        given = {"GOING": " ".join(servers), "NODES": " ".join(nodes), "FLAGS": " ".join(self.settings.flags)}
        try:
            server = await asyncio.wait_for(self._server(), CHECK_SECONDS)
            status, _, details = await self._connections.run(server, steps.script(given, "spare.sh"), quiet)
        except (TaskError, TimeoutError):
            return
        if status:
            raise TaskError("\n".join(details).rstrip())

    async def verify(self, task: Task) -> None:
        """Make sure that the machine is reached with its new connection."""
        await self._connections.connect(task.machine)

    async def _server(self) -> Machine:
        """A server that speaks for the cluster. Raises TaskError."""
        return await first_serving(self._connections, self.settings.servers, steps.serves_script())

    async def _mark(self, server: Machine) -> str:
        """Whether a destroy of the whole lab began, as the server says. Raises TaskError."""
        status, output, details = await self._connections.run(server, steps.script({}, "retired.sh"), quiet)
        if status:
            raise TaskError(f"{label(server)}: retired.sh failed\n" + "\n".join(details[-5:]))
        return output


async def _with_chart(task: Task, progress: Progress) -> Task:
    """The task with the CRDs of its chart among the variables, where nothing stores them. Raises TaskError."""
    if not task.chart:
        return task
    await progress(f"reading the chart {task.chart.name} {task.chart.version}")
    found = await asyncio.to_thread(crds, task.chart)
    return task.model_copy(update={"variables": {**task.variables, "CRDS": found}})
