"""Detect that `pulumi destroy` deletes the whole lab; homelab then neither drains nodes nor prevents data loss."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from provider.errors import TaskError, Unreachable
from provider.model import Machine

RETIRE_SCRIPT = "cluster/set-destroy-marker.sh"
"""Script that leaves a mark on every server, as the first step of destroying the lab."""

MARK_SCRIPT = "cluster/check-destroy-marker.sh"
"""Script that prints whether a server has the mark of `RETIRE_SCRIPT`."""

ReadMark = Callable[[Machine], Awaitable[str]]
"""Returns a server's mark: `yes`, `no`, or nothing if the machine is no longer a node of the lab."""


@dataclass
class Teardown:
    """Detects whether the current `pulumi destroy`, or an earlier unfinished `pulumi destroy`, deletes the lab.

    An unfinished `pulumi destroy` leaves a marker file on every server. homelab reads the marker files only if the
    Pulumi program does not run, as in `pulumi destroy`. `pulumi up` removes the marker files.
    """

    servers: tuple[Machine, ...]
    read_mark: ReadMark
    started: bool = False
    _resumed: "asyncio.Task[bool] | None" = field(default=None, init=False)

    async def in_progress(self, *, program_runs: bool) -> bool:
        """Return whether Pulumi is deleting the whole lab.

        Raises TaskError if only some servers have the marker file of `pulumi destroy`.
        """
        if self.started or program_runs:
            return self.started
        if self._resumed is None:
            self._resumed = asyncio.create_task(self._marked())
        return await asyncio.shield(self._resumed)

    async def _marked(self) -> bool:
        results = await asyncio.gather(*map(self._mark, self.servers))
        marks = {server.name: mark for server, mark in zip(self.servers, results, strict=True) if mark}
        if len(set(marks.values())) < 2:
            return "yes" in marks.values()
        marked = ", ".join(name for name, mark in marks.items() if mark == "yes")
        others = ", ".join(name for name, mark in marks.items() if mark != "yes")
        raise TaskError(
            f"An earlier `pulumi destroy` of the whole lab did not finish: its marker file is on {marked}, but not on "
            f"{others}. No changes were made.\nTo keep the lab: `pulumi up`. To continue the removal: "
            f"`sudo touch /var/lib/homelab/retired` on {others}, then `pulumi destroy`."
        )

    async def _mark(self, server: Machine) -> str:
        try:
            return (await self.read_mark(server)).strip()
        except Unreachable:
            return ""
