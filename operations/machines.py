"""The machines of a stack file, asked all at once over the SSH connections that `pulumi up` uses."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import asyncssh

from components import reach as described
from components.lab import BastionSettings, ClusterSettings, NodeSettings
from components.machine import SCRIPTS
from operations.stack import Stack
from provider.errors import TaskError
from provider.model import Hop, Machine
from provider.ssh import Connections, stream

PATIENCE = 60.0
"""Seconds after which a script that only looks is given up."""


class Failure(Enum):
    """Why there is no answer."""

    REACH = auto()
    HOST_KEY = auto()
    LOGIN = auto()
    SCRIPT = auto()


@dataclass(frozen=True)
class Answer:
    """What a machine printed, or why it printed nothing; and when it was asked and had answered."""

    output: str = ""
    failure: Failure | None = None
    cause: str = ""
    asked: float = 0
    answered: float = 0


def machine(node: NodeSettings, cluster: ClusterSettings) -> Machine:
    """How a node is reached."""
    return Machine.model_validate(described.machine(node, cluster.ssh_of(node)))


def bastion(settings: BastionSettings) -> Hop:
    """How a bastion is reached before anyone logs in there."""
    known = {"address": settings.address, "port": settings.port, "user": settings.user}
    return Hop(name="bastion", host_key=settings.host_key, key=None, **known)


def keys(machines: Sequence[Machine], stack: Stack) -> dict[str, str]:
    """Return the private keys that these machines name. Raises `StackError`."""
    hops = [*machines, *(each.bastion for each in machines if each.bastion)]
    return {name: stack.secret(name) for name in sorted({hop.key for hop in hops if hop.key})}


async def ask(
    machines: Sequence[Machine],
    private_keys: Mapping[str, str],
    script: str,
    variables: Sequence[Mapping[str, str]],
    answered: Callable[[], object],
) -> list[Answer]:
    """Run a script on every machine, each with variables of its own. Raises `TaskError` for an unusable key."""
    connections = Connections(private_keys)
    library, text = ((SCRIPTS / name).read_text() for name in ("lib.sh", script))

    async def one(each: Machine, given: Mapping[str, str]) -> Answer:
        asked = time.time()
        try:
            found = await asyncio.wait_for(_run(connections, each, stream(given, library, text)), PATIENCE)
        except TaskError as error:
            found = Answer(failure=_failure(error), cause=str(error))
        except TimeoutError:
            found = Answer(failure=Failure.SCRIPT, cause=f"{script} has not ended after {PATIENCE:.0f} s")
        answered()
        return Answer(found.output, found.failure, found.cause, asked, time.time())

    try:
        return await asyncio.gather(*map(one, machines, variables))
    finally:
        for each in machines:
            connections.forget(each)


async def _run(connections: Connections, each: Machine, script: str) -> Answer:
    status, output, details = await connections.run(each, script, _ignore)
    if status:
        return Answer(failure=Failure.SCRIPT, cause="\n".join(details[-5:]).strip() or f"exit status {status}")
    return Answer(output)


async def _ignore(_: str) -> None:
    """What only looks has no progress of its own."""


def _failure(error: TaskError) -> Failure:
    if isinstance(error.__cause__, asyncssh.HostKeyNotVerifiable):
        return Failure.HOST_KEY
    return Failure.LOGIN if isinstance(error.__cause__, asyncssh.PermissionDenied) else Failure.REACH
