"""Whether machines answer: at once, in a while, or again after a reboot."""

import asyncio
import contextlib
import time

import asyncssh

from .errors import TaskError, Unreachable
from .model import Machine
from .ssh import Connections, Progress, label, quiet

REBOOT_SECONDS = 600
POLL_SECONDS = 0.5


async def serves(connections: Connections, server: Machine, script: str) -> bool:
    """Whether the script that asks for its API succeeds on the server."""
    with contextlib.suppress(TaskError):
        return (await connections.run(server, script, quiet))[0] == 0
    return False


async def first_serving(connections: Connections, servers: tuple[Machine, ...], script: str) -> Machine:
    """The first server that serves, as the script finds, else the first that answers. Raises TaskError, Unreachable."""
    causes: list[str] = []
    answering: list[Machine] = []
    for server in servers:
        try:
            await connections.connect(server)
        except Unreachable as cause:
            causes.append(str(cause))
            continue
        if await serves(connections, server, script):
            return server
        answering.append(server)
    if not answering:
        raise Unreachable("no server answers:\n" + "\n".join(causes))
    return answering[0]


async def answer(connections: Connections, machine: Machine, progress: Progress, patience: float) -> None:
    """Wait up to `patience` seconds until the machine answers. Raises Unreachable with the last cause."""
    end = time.monotonic() + patience
    while True:
        try:
            await connections.connect(machine)
        except Unreachable as cause:
            if time.monotonic() > end:
                raise
            await progress(f"waiting up to {patience:.0f} s for SSH: {cause}")
            await asyncio.sleep(POLL_SECONDS)
        else:
            return


async def boot_id(connections: Connections, machine: Machine) -> str:
    """What tells one boot of the machine from the next. Raises Unreachable."""
    connection = await connections.connect(machine)
    try:
        result = await asyncio.wait_for(connection.run("cat /proc/sys/kernel/random/boot_id", check=True), 10)
    except (OSError, TimeoutError, asyncssh.Error) as cause:
        connections.forget(machine)
        raise Unreachable(f"{label(machine)} was lost before its reboot ({str(cause) or 'no answer'})") from cause
    return str(result.stdout).strip()


async def booted_anew(connections: Connections, machine: Machine, boot: str, progress: Progress) -> None:
    """Wait until the machine runs another boot than `boot`. Raises TaskError."""
    end = time.monotonic() + REBOOT_SECONDS
    await progress(f"{machine.name}: waiting for it to come back from its reboot")
    while time.monotonic() < end:
        connections.forget(machine)
        with contextlib.suppress(Unreachable):
            if await boot_id(connections, machine) != boot:
                return
        await asyncio.sleep(POLL_SECONDS)
    raise TaskError(
        f"{label(machine)} did not come back within {REBOOT_SECONDS} s of its reboot: "
        "look at its screen, then run `pulumi up` again."
    )
