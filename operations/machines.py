"""Runs a script on all machines of a stack concurrently, with the same SSH settings as `pulumi up`."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import asyncssh

from components.cluster import connection
from components.cluster.settings import BastionSettings, ClusterSettings, NodeSettings
from operations.pulumi_stack import Stack
from provider.errors import TaskError
from provider.model import Hop, Machine
from provider.ssh.connections import Connections, no_progress
from provider.tasks.steps import load_script

SCRIPT_TIMEOUT = 60.0
"""Timeout of a read-only script, in seconds."""


class Failure(Enum):
    """The reason why a script could not run or failed on a machine."""

    UNREACHABLE = auto()
    HOST_KEY = auto()
    LOGIN = auto()
    SCRIPT = auto()


@dataclass(frozen=True)
class ScriptResult:
    """The output of a script on one machine, or the type and cause of the failure. Times are Unix times."""

    output: str = ""
    failure: Failure | None = None
    cause: str = ""
    started: float = 0
    ended: float = 0


def from_node(node: NodeSettings, cluster: ClusterSettings) -> Machine:
    """Return the SSH connection settings of a node."""
    return Machine.model_validate(connection.connection_settings(node, cluster.ssh_of(node)))


def from_bastion(settings: BastionSettings) -> Hop:
    """Return a bastion's SSH address and user, but no private key, because reading a host key needs no login."""
    target = {"address": settings.address, "port": settings.port, "user": settings.user}
    return Hop(name="bastion", host_key=settings.host_key, key=None, **target)


def private_keys(machines: Sequence[Machine], stack: Stack) -> dict[str, str]:
    """Read the SSH private keys of machines and their bastions from the stack's secrets. Raises `StackError`."""
    hops = [*machines, *(machine.bastion for machine in machines if machine.bastion)]
    return {name: stack.secret(name) for name in sorted({hop.key for hop in hops if hop.key})}


async def run_script(
    machines: Sequence[Machine],
    keys: Mapping[str, str],
    script: str,
    variables: Sequence[Mapping[str, str]],
    on_result: Callable[[], object],
) -> list[ScriptResult]:
    """Run a script on each machine; `variables` contains the variables of each machine.

    Raises `TaskError` if an SSH private key is invalid.
    """
    connections = Connections(keys)

    async def run_on(target: Machine, values: Mapping[str, str]) -> ScriptResult:
        started = time.time()
        try:
            result = await asyncio.wait_for(_run(connections, target, load_script(values, script)), SCRIPT_TIMEOUT)
        except TaskError as error:
            result = ScriptResult(failure=_failure(error), cause=str(error))
        except TimeoutError:
            result = ScriptResult(failure=Failure.SCRIPT, cause=f"{script} did not end within {SCRIPT_TIMEOUT:.0f} s")
        on_result()
        return ScriptResult(result.output, result.failure, result.cause, started, time.time())

    try:
        return await asyncio.gather(*map(run_on, machines, variables))
    finally:
        for target in machines:
            connections.close(target)


async def _run(connections: Connections, target: Machine, script: str) -> ScriptResult:
    status, output, details = await connections.run(target, script, no_progress)
    if status:
        return ScriptResult(failure=Failure.SCRIPT, cause="\n".join(details[-5:]).strip() or f"exit status {status}")
    return ScriptResult(output)


def _failure(error: TaskError) -> Failure:
    if isinstance(error.__cause__, asyncssh.HostKeyNotVerifiable):
        return Failure.HOST_KEY
    return Failure.LOGIN if isinstance(error.__cause__, asyncssh.PermissionDenied) else Failure.UNREACHABLE
