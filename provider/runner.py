"""Run a task's steps in their order, and turn what goes wrong into one clear error."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .charts import crds
from .errors import TaskError, Unreachable
from .looks import Looks
from .model import Machine, Settings, Step, Task
from .reach import answer, boot_id, booted_anew, first_serving, serves
from .report import Report, redact
from .ssh import Connections, Progress, label, quiet, stream
from .turns import Turns

SCRIPTS = Path(__file__).resolve().parent.parent / "components" / "scripts"
ANSWER_SECONDS = 60  # a machine may be on its way up
GONE_SECONDS = 10  # when a machine is given up, it is not waited for
SPARE_SECONDS = 10  # until a server is found that can say whether others may go
ATTEMPTS = 3  # scripts may be run again at any point
TAIL = 40  # lines of a failed script that are shown


@dataclass
class Runner:
    """Runs tasks; one for the life of the plugin."""

    settings: Settings
    cancelled: bool = False
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        self._connections = Connections(self.settings.keys)
        self._looks = Looks(self._connections, SCRIPTS)

    def look_around(self) -> None:
        """Begin to look at every machine at once, so that what is asked later is known by then."""
        for machine in (*self.settings.servers, *self.settings.agents):
            for script in self.settings.probes:
                self._looks.begin(machine, script, {})

    async def run(self, task: Task, progress: Progress) -> str:
        """Run the task and return what its scripts printed. Raises TaskError."""
        report = Report(set(self.settings.flags))
        task = await _with_chart(task, progress)
        async for step in self._steps(task, task.run, report, progress):
            report.add(await self._placed(task, step, progress))
        return report.output

    async def _placed(self, task: Task, step: Step, progress: Progress) -> str:
        """Run a step where it belongs; again on another server if its own stopped serving meanwhile."""
        for left in reversed(range(ATTEMPTS)):
            places = await self._places(task, step)
            try:
                said = [await self._step(task, step, machine, progress, ANSWER_SECONDS) for machine in places]
            except TaskError as error:
                moves = step.on in ("server", "other") and len(self.settings.servers) > 1
                if self.cancelled or not left or not moves or await serves(self._connections, places[0], _serves()):
                    raise
                await progress(f"{error}; trying it on another server")
            else:
                return "".join(said)
        raise AssertionError("every attempt returns or raises")

    async def undo(self, task: Task, progress: Progress, warn: Progress) -> None:
        """Undo the task. A machine that does not answer is left as it is, with a warning. Raises TaskError."""
        report, gone = Report(set(self.settings.flags)), set[str]()
        async for step in self._steps(task, task.undo, report, progress):
            for machine in await self._places(task, step):
                if machine.name in gone:
                    continue
                try:
                    report.add(await self._step(task, step, machine, progress, GONE_SECONDS))
                except Unreachable as cause:
                    gone.add(machine.name)
                    await warn(
                        f"{cause}\nIt is left as it is: {step.script} did not run. Wipe it before you use it again."
                    )

    async def _steps(
        self, task: Task, steps: tuple[Step, ...], report: Report, progress: Progress
    ) -> AsyncIterator[Step]:
        """The steps whose flags are raised, and from the first that disturbs on, the task's turn with them."""
        async with contextlib.AsyncExitStack() as stack:
            turn = task.turn
            for step in steps:
                if not report.wants(step):
                    continue
                if step.turn and turn:
                    await progress(f"waiting for its turn among the {turn.group}")
                    await stack.enter_async_context(self.turns.take(turn, task.machine.name))
                    turn = None
                yield step

    async def look(self, machine: Machine, probe: str, variables: Mapping[str, str]) -> str:
        """What differs on the machine from what was done, a line each. Raises TaskError."""
        return await asyncio.shield(self._looks.begin(machine, probe, variables))

    async def spare(self, going: Sequence[str]) -> None:
        """Make sure that these servers may go. Where no other answers, nobody knows. Raises TaskError."""
        script = _text({"GOING": " ".join(going)}, "spare.sh")
        try:
            server = await asyncio.wait_for(self._server(self.settings.servers), SPARE_SECONDS)
            status, _, details = await self._connections.run(server, script, quiet)
        except (TaskError, TimeoutError):
            return
        if status:
            raise TaskError("\n".join(details).rstrip())

    async def verify(self, task: Task) -> None:
        """Make sure that the machine is reached with its new connection."""
        await self._connections.connect(task.machine)

    async def _step(self, task: Task, step: Step, machine: Machine, progress: Progress, patience: float) -> str:
        """Run one script. A machine that goes away in the middle and returns is given it again."""
        if self.cancelled:
            raise TaskError(f"{label(machine)}: cancelled before {step.script}; the next run goes on from here.")
        for left in reversed(range(ATTEMPTS)):
            await answer(self._connections, machine, progress, patience)
            try:
                if step.reboots:
                    return await self._reboot(task, step, machine, progress)
                return await self._script(task, step, machine, progress)
            except Unreachable as cause:
                if not left:
                    raise
                await progress(f"{cause}; waiting for its return")
            finally:
                self._looks.forget(machine)
        raise AssertionError("every attempt returns or raises")

    async def _script(self, task: Task, step: Step, machine: Machine, progress: Progress) -> str:
        """Run a script to its end and return what it printed. Raises TaskError, Unreachable."""
        names = " ".join(server.name for server in self.settings.servers)
        text = _text({"NOW": str(int(time.time())), "SERVERS": names, **task.variables, **task.secrets}, step.script)
        last = ""

        async def follow(line: str) -> None:
            nonlocal last
            last = line
            await progress(redact(f"{machine.name}: {line}", task))

        status, output, details = await self._connections.run(machine, text, follow)
        if status != 0:
            during = f", during: {last}" if last else ""
            tail = "\n".join(details[-TAIL:]).rstrip()
            raise TaskError(redact(f"{label(machine)}: {step.script} failed{during}\n{tail}", task))
        return output

    async def _reboot(self, task: Task, step: Step, machine: Machine, progress: Progress) -> str:
        """Run a script that reboots the machine, and wait until it has booted anew."""
        boot = await boot_id(self._connections, machine)
        with contextlib.suppress(Unreachable):  # it may be gone before the script could say so
            await self._script(task, step, machine, progress)
        await booted_anew(self._connections, machine, boot, progress)
        return ""

    async def _places(self, task: Task, step: Step) -> tuple[Machine, ...]:
        """The machines a step runs on; none where it wants another server than the only one."""
        if step.on == "machine":
            return (task.machine,)
        if step.on == "servers":
            return self.settings.servers
        elsewhere = step.on == "other"
        servers = tuple(s for s in self.settings.servers if not (elsewhere and s.name == task.machine.name))
        return (await self._server(servers),) if servers else ()

    async def _server(self, servers: tuple[Machine, ...]) -> Machine:
        """One that speaks for the cluster. Raises TaskError."""
        return await first_serving(self._connections, servers, _serves())


def _serves() -> str:
    return _text({}, "serves.sh")


def _text(variables: Mapping[str, str], script: str) -> str:
    return stream(variables, (SCRIPTS / "lib.sh").read_text(), (SCRIPTS / script).read_text())


async def _with_chart(task: Task, progress: Progress) -> Task:
    """The task with the CRDs of its chart among the variables, where nothing stores them. Raises TaskError."""
    if not task.chart:
        return task
    await progress(f"reading the chart {task.chart.name} {task.chart.version}")
    found = await asyncio.to_thread(crds, task.chart)
    return task.model_copy(update={"variables": {**task.variables, "CRDS": found}})
