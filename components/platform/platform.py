"""Pulumi component `Platform`: installs the enabled layers in the order of their dependencies."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pulumi

from components.cluster.cluster import ClusterAccess
from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json
from components.platform.chart_values import merge_values
from components.platform.layer_resources import AnyLayer, LayerResources
from components.platform.resource_requests import ResourceRequests, total_requests
from components.provider_resources import Task, step


def install_order(layers: Sequence[AnyLayer]) -> list[AnyLayer]:
    """Return the layers in an order in which each layer follows its dependencies.

    Layers of the same stage keep their order.
    """
    return [layer for stage in install_stages(layers) for layer in stage]


def install_stages(layers: Sequence[AnyLayer]) -> list[list[AnyLayer]]:
    """Group the layers into stages. All dependencies of a layer are in earlier stages."""
    dependencies, remaining = _dependencies(layers), {layer.key: layer for layer in layers}
    stages: list[list[AnyLayer]] = []
    while remaining:
        ready = [layer for key, layer in remaining.items() if not dependencies[key] & remaining.keys()]
        if not ready:
            raise ValueError(f"layers depend on each other: {', '.join(remaining)}")
        stages.append(ready)
        remaining = {key: layer for key, layer in remaining.items() if layer not in ready}
    return stages


def _dependencies(layers: Sequence[AnyLayer]) -> dict[str, set[str]]:
    """Return the dependencies of each layer, by layer key: the keys of all layers that homelab must install earlier."""
    first = {layer.key for layer in layers if layer.installs_first}
    return {
        layer.key: {*layer.requires, *layer.installs_after, *(set() if layer.installs_first else first)}
        for layer in layers
    }


class Platform(pulumi.ComponentResource):
    """All enabled layers. homelab installs layers at the same time if they do not depend on each other."""

    def __init__(
        self,
        layers: Sequence[AnyLayer],
        charts: Mapping[str, Chart],
        access: ClusterAccess,
        values: Mapping[str, Mapping[str, Json]] | None = None,
    ) -> None:
        super().__init__("homelab:components:Platform", "platform")
        ordered, overrides = install_order(layers), values or {}
        chart_values = {
            layer.key: {
                name: merge_values(defaults, overrides.get(name, {})) for name, defaults in layer.values().items()
            }
            for layer in ordered
        }
        if ordered:
            releases = [f"{layer.namespace}/{name}" for layer in ordered for name in chart_values[layer.key]]
            checks = (
                self._clear_pending_releases(releases, access),
                self._check_capacity(list(chart_values.values()), access),
            )
            access = replace(access, prior_tasks=(*access.prior_tasks, *checks))
        installed = {
            layer.key: LayerResources(
                layer, charts, chart_values[layer.key], access, user_values=overrides, parent=self
            )
            for layer in ordered
        }
        early = [release for layer in installed.values() for release in layer.early_releases]
        dependencies = _dependencies(ordered)
        for key, layer in installed.items():
            layer.install([*early, *(other for name, other in installed.items() if name in dependencies[key])])
        self.register_outputs({})

    def _clear_pending_releases(self, releases: Sequence[str], access: ClusterAccess) -> Task:
        """Create the task that repairs Helm releases that a killed Pulumi run has left in a pending state."""
        return Task(
            "platform-releases", access.first_server, [step("platform/clear-stuck-releases.sh", on="server")],
            cluster=access.identity, drift_check="platform/list-stuck-releases.sh",
            variables={"RELEASES": "\n".join(releases)}, opts=self._options(access),
        )  # fmt: skip

    def _check_capacity(self, values: Sequence[Json], access: ClusterAccess) -> Task:
        """Create the task that fails if the nodes have too little CPU or memory for the requests of all layers.

        If the cluster already runs, `pulumi preview` checks CPU and memory as well.
        """
        total = sum(map(total_requests, values), ResourceRequests())
        return Task(
            "platform-fits", access.first_server, [step("platform/check-capacity.sh", on="server")],
            cluster=access.identity, drift_check="platform/preview-capacity.sh",
            variables={"CPU": str(total.cpu_millicores), "MEMORY": str(total.memory_mib)}, opts=self._options(access),
        )  # fmt: skip

    def _options(self, access: ClusterAccess) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, provider=access.homelab_provider, depends_on=list(access.prior_tasks)
        )
