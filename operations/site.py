"""The machines of a stack, and tasks on them as Pulumi's plugin runs them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.lab import ClusterSettings
from components.machine import Step
from operations import machines
from operations.stack import Stack
from provider.errors import TaskError
from provider.model import Machine, Settings, Task
from provider.runner import Runner
from provider.ssh import Connections
from stacks import settings

T = TypeVar("T")
Say = Callable[[str], None]
NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Site:
    """A stack's cluster as its file describes it, with the keys that open the machines."""

    stack: Stack
    cluster: ClusterSettings
    machines: Mapping[str, Machine]
    keys: Mapping[str, str]

    @classmethod
    def of(cls, stack: Stack) -> "Site":
        """Read the stack file and the keys it names. Raises `SettingsError`, `StackError`."""
        cluster = settings.Settings.read(stack.file).cluster
        found = {node.name: machines.machine(node, cluster) for node in cluster.nodes}
        return cls(stack, cluster, found, machines.keys(list(found.values()), stack))

    @property
    def servers(self) -> tuple[str, ...]:
        """Names of the servers, in the file's order."""
        return tuple(node.name for node in self.cluster.servers)

    @property
    def agents(self) -> tuple[str, ...]:
        """Names of the agents, in the file's order."""
        return tuple(name for name in self.machines if name not in self.servers)

    def runner(self, servers: Iterable[str] = ()) -> Runner:
        """What runs tasks; `servers` speak for the cluster."""
        return Runner(Settings(keys=self.keys, servers=tuple(self.machines[name] for name in servers)))

    def connections(self) -> Connections:
        """What opens connections outside of tasks."""
        return Connections(self.keys)

    def task(
        self, name: str, *steps: Step, given: Task | None = None, secrets: Mapping[str, str] = NONE, **variables: str
    ) -> Task:
        """A task on a machine, with what another one was `given`, and more or other values."""
        inputs: dict[str, object] = {"machine": self.machines[name], "run": steps, "digest": ""}
        inputs["variables"] = {**(given.variables if given else NONE), **variables}
        inputs["secrets"] = {**(given.secrets if given else NONE), **secrets}
        return Task.model_validate(inputs)


async def all_of(work: Mapping[str, Awaitable[T]]) -> dict[str, T]:
    """Do the work of all machines at once, each to its end. Raises `TaskError` with every failure."""
    results: Sequence[T | BaseException] = await asyncio.gather(*work.values(), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    for failure in failures:
        if not isinstance(failure, TaskError):
            raise failure
    if failures:
        raise TaskError("\n".join(dict.fromkeys(map(str, failures))))
    return {name: result for name, result in zip(work, results, strict=True) if not isinstance(result, BaseException)}


def progress(say: Say) -> Callable[[str], Awaitable[None]]:
    """What tasks report to; what a machine repeats is said once."""
    last = ""

    async def report(message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            say(message)

    return report
