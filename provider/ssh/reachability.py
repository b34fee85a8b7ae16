"""Find a server with a ready Kubernetes API, wait for SSH on a machine, and wait for the reboot of a machine."""

import asyncio
import contextlib
import time

import asyncssh

from provider.errors import TaskError, Unreachable
from provider.model import Machine
from provider.ssh.connections import Connections, Progress, machine_label, no_progress

REBOOT_SECONDS = 600
POLL_SECONDS = 0.5


async def api_is_ready(connections: Connections, server: Machine, script: str) -> bool:
    """Run `script` on the server and return whether the server's Kubernetes API is ready."""
    with contextlib.suppress(TaskError):
        return (await connections.run(server, script, no_progress))[0] == 0
    return False


async def first_ready_server(connections: Connections, servers: tuple[Machine, ...], script: str) -> Machine:
    """Return the first server whose Kubernetes API is ready; `script` checks the API on the server.

    If no Kubernetes API is ready, return the first server that answers on SSH. Raises Unreachable if no server answers
    on SSH, and TaskError if a server refuses the SSH connection.
    """
    causes: list[str] = []
    reachable: list[Machine] = []
    for server in servers:
        try:
            await connections.connect(server)
        except Unreachable as cause:
            causes.append(str(cause))
            continue
        if await api_is_ready(connections, server, script):
            return server
        reachable.append(server)
    if not reachable:
        raise Unreachable("no server of the cluster answers on SSH:\n" + "\n".join(causes))
    return reachable[0]


async def wait_for_ssh(connections: Connections, machine: Machine, progress: Progress, seconds: float) -> None:
    """Wait up to `seconds` until the machine answers on SSH.

    Raises Unreachable with the error of the last connection attempt.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            await connections.connect(machine)
        except Unreachable as cause:
            if time.monotonic() > end:
                raise
            await progress(f"waiting up to {seconds:.0f} s for SSH: {cause}")
            await asyncio.sleep(POLL_SECONDS)
        else:
            return


async def boot_id(connections: Connections, machine: Machine) -> str:
    """Return the kernel's boot ID, which changes with every boot. Raises Unreachable."""
    connection = await connections.connect(machine)
    try:
        result = await asyncio.wait_for(connection.run("cat /proc/sys/kernel/random/boot_id", check=True), 10)
    except (OSError, TimeoutError, asyncssh.Error) as cause:
        connections.close(machine)
        raise Unreachable(
            f"{machine_label(machine)}: the SSH connection was lost before the reboot ({str(cause) or 'no answer'})"
        ) from cause
    return str(result.stdout).strip()


async def wait_for_reboot(connections: Connections, machine: Machine, boot: str, progress: Progress) -> None:
    """Wait until the machine's boot ID differs from `boot`, the boot ID before the reboot. Raises TaskError."""
    end = time.monotonic() + REBOOT_SECONDS
    await progress(f"{machine.name}: waiting for the machine to answer on SSH after the reboot")
    while time.monotonic() < end:
        connections.close(machine)
        with contextlib.suppress(Unreachable):
            if await boot_id(connections, machine) != boot:
                return
        await asyncio.sleep(POLL_SECONDS)
    raise TaskError(
        f"{machine_label(machine)} did not answer on SSH within {REBOOT_SECONDS} s after its reboot: "
        "check the machine's console, then run `pulumi up` again."
    )
