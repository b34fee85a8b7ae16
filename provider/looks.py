"""What machines say of themselves: whether they are still as they were left."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from .errors import TaskError, Unreachable
from .model import Machine
from .printable import printable
from .ssh import Connections, label, quiet, stream

LOOK_SECONDS = 3  # a machine that is only looked at is not waited for
SAY_SECONDS = 30  # one that answers may be busy


class Looks:
    """Every look is taken once, and anew after something was done on its machine."""

    def __init__(self, connections: Connections, scripts: Path) -> None:
        self._connections = connections
        self._scripts = scripts
        self._taken: dict[tuple[Machine, str], asyncio.Task[str]] = {}

    def begin(self, machine: Machine, script: str, variables: Mapping[str, str]) -> asyncio.Task[str]:
        """The look that is under way or was taken, or a new one."""
        key = (machine, script)
        if key not in self._taken:
            self._taken[key] = asyncio.create_task(self._look(machine, script, variables))
            self._taken[key].add_done_callback(_seen)
        return self._taken[key]

    def forget(self, machine: Machine) -> None:
        """What is known of the machine may be so no more."""
        self._taken = {key: look for key, look in self._taken.items() if key[0] != machine}

    async def _look(self, machine: Machine, script: str, variables: Mapping[str, str]) -> str:
        """What the script prints. Raises TaskError."""
        try:
            await asyncio.wait_for(self._connections.connect(machine), LOOK_SECONDS)
        except TimeoutError as cause:
            raise Unreachable(f"{label(machine)} does not answer within {LOOK_SECONDS} s") from cause
        text = stream(variables, (self._scripts / "lib.sh").read_text(), (self._scripts / script).read_text())
        try:
            status, output, details = await asyncio.wait_for(self._connections.run(machine, text, quiet), SAY_SECONDS)
        except TimeoutError as cause:
            raise TaskError(f"{label(machine)}: {script} did not end within {SAY_SECONDS} s") from cause
        if status:
            raise TaskError(f"{label(machine)}: {script} failed\n" + "\n".join(details[-5:]))
        return printable(output).rstrip()


def _seen(look: asyncio.Task[str]) -> None:
    """A failure that nobody asked for is none."""
    if not look.cancelled():
        look.exception()
