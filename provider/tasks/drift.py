"""Drift checks: scripts that print the differences between a machine and the machine's last applied state."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from provider.errors import TaskError, Unreachable
from provider.model import Machine
from provider.printable import printable
from provider.ssh.connections import Connections, machine_label, no_progress
from provider.tasks.script_text import script_text

CONNECT_SECONDS = 3  # to connect: a drift check does not wait for a machine that is powered off
SCRIPT_SECONDS = 30  # for the script, because the machine may be busy


class DriftChecks:
    """Cache of drift checks: a check runs once per machine, and again after a step has run on the machine."""

    def __init__(self, connections: Connections, scripts: Path) -> None:
        self._connections = connections
        self._scripts = scripts
        self._checks: dict[tuple[Machine, str], asyncio.Task[str]] = {}

    def start(self, machine: Machine, script: str, variables: Mapping[str, str]) -> asyncio.Task[str]:
        """Return the machine's running or finished drift check, or start a new drift check."""
        key = (machine, script)
        if key not in self._checks:
            self._checks[key] = asyncio.create_task(self._check(machine, script, variables))
            self._checks[key].add_done_callback(_mark_error_retrieved)
        return self._checks[key]

    def invalidate(self, machine: Machine) -> None:
        """Discard the cached drift checks of a machine that a step may have changed."""
        self._checks = {key: check for key, check in self._checks.items() if key[0] != machine}

    async def _check(self, machine: Machine, script: str, variables: Mapping[str, str]) -> str:
        """Run a drift check's script and return the differences, one per line. Raises TaskError."""
        text = script_text(self._scripts, variables, script)
        try:
            await asyncio.wait_for(self._connections.connect(machine), CONNECT_SECONDS)
        except TimeoutError as cause:
            raise Unreachable(f"{machine_label(machine)} does not answer on SSH within {CONNECT_SECONDS} s") from cause
        try:
            status, output, details = await asyncio.wait_for(
                self._connections.run(machine, text, no_progress), SCRIPT_SECONDS
            )
        except TimeoutError as cause:
            raise TaskError(f"{machine_label(machine)}: {script} did not end within {SCRIPT_SECONDS} s") from cause
        if status:
            raise TaskError(f"{machine_label(machine)}: {script} failed\n" + "\n".join(details[-5:]))
        return printable(output).rstrip()


def _mark_error_retrieved(check: asyncio.Task[str]) -> None:
    """Prevent asyncio from logging the error of a drift check whose result is never read."""
    if not check.cancelled():
        check.exception()
