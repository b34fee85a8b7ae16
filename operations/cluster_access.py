"""Access to a stack's machines: SSH connections, and the task runner of homelab's provider plugin."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.cluster.settings import ClusterSettings
from components.provider_resources import Step
from operations import machines
from operations.pulumi_stack import Stack
from provider.errors import TaskError
from provider.model import Machine, Settings, Task
from provider.ssh.connections import Connections
from provider.tasks.runner import Runner
from stacks import settings

T = TypeVar("T")
Say = Callable[[str], None]
NO_VALUES: Mapping[str, str] = {}


@dataclass(frozen=True)
class ClusterAccess:
    """The cluster settings of a Pulumi stack, the SSH settings of its machines, and their SSH private keys."""

    stack: Stack
    cluster: ClusterSettings
    machines: Mapping[str, Machine]
    private_keys: Mapping[str, str]

    @classmethod
    def of(cls, stack: Stack) -> "ClusterAccess":
        """Read a stack's cluster settings and SSH private keys.

        Raises `SettingsError` if the stack file is invalid, and `StackError` if Pulumi cannot read an SSH private key.
        """
        cluster = settings.LabStack.read(stack.file).cluster
        targets = {node.name: machines.from_node(node, cluster) for node in cluster.nodes}
        return cls(stack, cluster, targets, machines.private_keys(list(targets.values()), stack))

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of the servers in the order of the stack file."""
        return tuple(node.name for node in self.cluster.servers)

    @property
    def agents(self) -> tuple[str, ...]:
        """The names of the agents in the order of the stack file."""
        return tuple(name for name in self.machines if name not in self.servers)

    def runner(self, servers: Iterable[str] = ()) -> Runner:
        """Return a task runner that runs each step with `on="server"` on one of the servers in `servers`."""
        return Runner(Settings(keys=self.private_keys, servers=tuple(self.machines[name] for name in servers)))

    def connections(self) -> Connections:
        """Return a pool of SSH connections for scripts and file transfers that belong to no task."""
        return Connections(self.private_keys)

    def task(
        self,
        name: str,
        *steps: Step,
        base: Task | None = None,
        secrets: Mapping[str, str] = NO_VALUES,
        **variables: str,
    ) -> Task:
        """Build a task that runs `steps` on a machine; `variables` and `secrets` override values of the task `base`."""
        inputs: dict[str, object] = {"machine": self.machines[name], "run": steps, "digest": ""}
        inputs["variables"] = {**(base.variables if base else NO_VALUES), **variables}
        inputs["secrets"] = {**(base.secrets if base else NO_VALUES), **secrets}
        return Task.model_validate(inputs)


async def run_concurrently(work: Mapping[str, Awaitable[T]]) -> dict[str, T]:
    """Await the work on several machines concurrently, and return the results by machine name.

    Raises one `TaskError` that contains the errors of all machines.
    """
    results: Sequence[T | BaseException] = await asyncio.gather(*work.values(), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, TaskError):
            raise failure
    if failures:
        raise TaskError("\n".join(dict.fromkeys(map(str, failures))))
    return {name: result for name, result in zip(work, results, strict=True) if not isinstance(result, BaseException)}


def progress(say: Say) -> Callable[[str], Awaitable[None]]:
    """Return a callback that passes progress messages to `say` and drops consecutive duplicates."""
    last = ""

    async def report(message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            say(message)

    return report
