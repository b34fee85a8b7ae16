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
    """The turns of all task groups; a task disrupts its machine only during its turn.

    After a task fails in its turn, no other task of the group gets a turn.
    """

    _groups: dict[str, _Group] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, limit: DisruptionLimit, name: str) -> AsyncIterator[None]:
        """Wait until the group has a free turn, and hold the turn in the `with` block.

        Raises TaskError if a task of the group has failed.
        """
        group = self._groups.setdefault(limit.group, _Group(asyncio.Semaphore(limit.width)))
        async with group.slots:
            if group.failed:
                raise TaskError(
                    f"{name} was not changed, because the change of {group.failed} failed: fix {group.failed} first."
                )
            try:
                yield
            except BaseException:
                group.failed = name
                raise
