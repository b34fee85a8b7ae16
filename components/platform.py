"""Platform: the layers that are on, in their order."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from components.cluster import Access
from components.installed import AnyLayer, Installed
from components.layer import Chart
from components.machine import Task, step
from components.manifest import Tree
from components.overlay import laid_over
from components.requests import Requests, least


def in_order(layers: Sequence[AnyLayer]) -> list[AnyLayer]:
    """Sort the layers so that each comes after those it names, and after those that are first; else as given."""
    return [layer for step in in_steps(layers) for layer in step]


def in_steps(layers: Sequence[AnyLayer]) -> list[list[AnyLayer]]:
    """Sort the layers into steps, so that each comes in a later one than those it comes after."""
    named, left = _named(layers), {layer.key: layer for layer in layers}
    steps: list[list[AnyLayer]] = []
    while left:
        ready = [layer for key, layer in left.items() if not named[key] & left.keys()]
        if not ready:
            raise ValueError(f"layers wait for each other: {', '.join(left)}")
        steps.append(ready)
        left = {key: layer for key, layer in left.items() if layer not in ready}
    return steps


def _named(layers: Sequence[AnyLayer]) -> dict[str, set[str]]:
    """Keys of the layers that each comes after."""
    first = {layer.key for layer in layers if layer.first}
    return {each.key: {*each.requires, *each.after, *(set() if each.first else first)} for each in layers}


class Platform(pulumi.ComponentResource):
    """All layers that are on. Those that do not name each other are installed at the same time."""

    def __init__(
        self,
        layers: Sequence[AnyLayer],
        charts: Mapping[str, Chart],
        access: Access,
        values: Mapping[str, Mapping[str, Tree]] | None = None,
    ) -> None:
        super().__init__("homelab:components:Platform", "platform")
        ordered, given = in_order(layers), values or {}
        laid = {
            layer.key: {name: laid_over(own, given.get(name, {})) for name, own in layer.values().items()}
            for layer in ordered
        }
        if ordered:
            releases = [f"{layer.namespace}/{name}" for layer in ordered for name in laid[layer.key]]
            first = (self._mended(releases, access), self._fits(list(laid.values()), access))
            access = replace(access, ready=(*access.ready, *first))
        made = {
            layer.key: Installed(layer, charts, laid[layer.key], access, given=given, parent=self) for layer in ordered
        }
        early = [release for layer in made.values() for release in layer.early]
        named = _named(ordered)
        for key, layer in made.items():
            layer.install([*early, *(other for name, other in made.items() if name in named[key])])
        self.register_outputs({})

    def _mended(self, releases: Sequence[str], access: Access) -> Task:
        """Takes back what a killed run left in Helm's records: the next `up` finds it and runs this."""
        return Task(
            "platform-releases", access.machine, [step("releases.sh", on="server")], cluster=access.identity,
            probe="pending.sh", variables={"RELEASES": "\n".join(releases)}, opts=self._own(access),
        )  # fmt: skip

    def _fits(self, values: Sequence[Tree], access: Access) -> Task:
        """Refuses what the machines cannot hold, before anything of it is there; the preview says so of a lab."""
        asked = sum(map(least, values), Requests())
        return Task(
            "platform-fits", access.machine, [step("fits.sh", on="server")],
            cluster=access.identity, probe="fitting.sh",
            variables={"CPU": str(asked.cpu), "MEMORY": str(asked.memory)}, opts=self._own(access),
        )  # fmt: skip

    def _own(self, access: Access) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=access.machines, depends_on=list(access.ready))
