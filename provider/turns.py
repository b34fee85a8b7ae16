"""Who may disturb its machine now, so that a change never takes more machines at once than it may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .errors import TaskError
from .model import Turn


@dataclass
class _Group:
    places: asyncio.Semaphore
    failed: str = ""


@dataclass
class Turns:
    """The groups of this run. After one task of a group failed in its turn, no other begins one."""

    _groups: dict[str, _Group] = field(default_factory=dict)

    @asynccontextmanager
    async def take(self, turn: Turn, name: str) -> AsyncIterator[None]:
        """Hold a place in the group. Raises TaskError if the group has stopped."""
        group = self._groups.setdefault(turn.group, _Group(asyncio.Semaphore(turn.width)))
        async with group.places:
            if group.failed:
                raise TaskError(f"{name} was not touched, because {group.failed} failed before it; mend that first.")
            try:
                yield
            except BaseException:
                group.failed = name
                raise
