"""Limit how many tasks of a group may disrupt their machines at the same time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from provider.errors import TaskError
from provider.model import DisruptionLimit


@dataclass
class _Group:
    slots: asyncio.Semaphore
    failed: str = ""  # name of the first machine whose task failed


@dataclass
class Turns:
    """A turn is the right of a task to disrupt its machine; each group of tasks has a limited number of turns.

    After a task fails during its turn, no other task of the group gets a turn.
    """

    _groups: dict[str, _Group] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, limit: DisruptionLimit, name: str) -> AsyncIterator[None]:
        """Wait until the task may disrupt its machine, and hold this right (the turn) during the `with` block.

        Raises TaskError if another task of the group has failed during its turn.
        """
        group = self._groups.setdefault(limit.group, _Group(asyncio.Semaphore(limit.width)))
        async with group.slots:
            if group.failed:
                raise TaskError(
                    f"{name} was not changed, because the change of the node {group.failed} "
                    f"failed: fix {group.failed} first."
                )
            try:
                yield
            except BaseException:
                group.failed = name
                raise
