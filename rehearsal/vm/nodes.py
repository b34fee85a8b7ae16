"""Chooses the nodes whose simulated machines are virtual machines."""

from collections.abc import Callable, Collection

from components.cluster.settings import NodeSettings
from rehearsal.lab import Lab
from rehearsal.machine_specs import HOST_ARCHITECTURE
from rehearsal.shell import RehearsalError
from rehearsal.vm import emulator
from stacks.homelab import charts_of
from stacks.settings import LabStack


def choose(lab: Lab, settings: LabStack, wanted: Collection[str], is_online: Callable[[], bool]) -> set[str]:
    """Return the names of the nodes with virtual machines: the nodes in `wanted`, and those that already have one.

    `is_online` returns whether this computer reaches the registries of container images.

    Raises RehearsalError if a node in `wanted` cannot have a virtual machine.
    """
    nodes = {node.name: node for node in settings.cluster.nodes}
    machines = lab.machines
    for name in wanted:
        if name not in nodes:
            raise RehearsalError(f"--vm {name}: the stack file has no such node (it has: {', '.join(nodes)}).")
        if problem := _problem(nodes[name]):
            raise RehearsalError(f"--vm {name}: {problem}.")
        if name in machines and not machines[name].spec.virtual:
            raise RehearsalError(
                f"--vm {name}: {name} is a container already: run `./homelab rehearse down --stack {lab.stack}` first."
            )
    chosen = {*wanted, *(name for name in nodes if name in machines and machines[name].spec.virtual)}
    if chosen and HOST_ARCHITECTURE != emulator.ARCH and charts_of(settings) and not is_online():
        raise RehearsalError(
            f"The rehearsal builds the platform's programs only for {HOST_ARCHITECTURE}, not for {emulator.ARCH} "
            f"({', '.join(sorted(chosen))}): remove the layers under `platform`, or use Internet access."
        )
    return chosen


def _problem(node: NodeSettings) -> str | None:
    if node.role != "agent":
        return f"{node.name} is a server, but an emulated machine is too slow for etcd: choose an agent"
    if (node.arch or HOST_ARCHITECTURE) != emulator.ARCH:
        return f"virtual machines have the architecture {emulator.ARCH}: add `arch: {emulator.ARCH}` to {node.name}"
    return None
