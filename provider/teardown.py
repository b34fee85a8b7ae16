"""Whether the whole lab is being destroyed, so that nodes need not be drained and data need not be guarded."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from .errors import TaskError, Unreachable
from .model import Machine

RETIRE = "retire.sh"
"""The script that marks a server: it runs first when the lab is destroyed."""

Ask = Callable[[Machine], Awaitable[str]]
"""Asks a server for its mark: `yes`, `no`, or nothing if it is no machine of the lab any more."""


@dataclass
class Teardown:
    """A destroy that began in this run, or one that an earlier run did not finish.

    An unfinished one is known by the marks on the servers. They count only in a run without a program, which is
    `pulumi destroy`; `pulumi up` removes them.
    """

    servers: tuple[Machine, ...]
    ask: Ask
    begun: bool = False
    _resumed: "asyncio.Task[bool] | None" = field(default=None, init=False)

    async def under_way(self, *, program_runs: bool) -> bool:
        """Whether it is under way. Raises TaskError if the servers contradict each other."""
        if self.begun or program_runs:
            return self.begun
        if self._resumed is None:
            self._resumed = asyncio.create_task(self._marked())
        return await asyncio.shield(self._resumed)

    async def _marked(self) -> bool:
        answers = await asyncio.gather(*map(self._mark, self.servers))
        marks = {server.name: mark for server, mark in zip(self.servers, answers, strict=True) if mark}
        if len(set(marks.values())) < 2:
            return "yes" in marks.values()
        marked = ", ".join(name for name, mark in marks.items() if mark == "yes")
        others = ", ".join(name for name, mark in marks.items() if mark != "yes")
        raise TaskError(
            f"An earlier `pulumi destroy` began to remove the whole lab, as {marked} says, but {others} does not. "
            "No changes were made.\nTo keep the lab: `pulumi up`. To go on with the removal: "
            f"`sudo touch /var/lib/homelab/retired` on {others}, then `pulumi destroy`."
        )

    async def _mark(self, server: Machine) -> str:
        try:
            return (await self.ask(server)).strip()
        except Unreachable:
            return ""
