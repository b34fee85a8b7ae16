"""Pulumi component `LayerResources`: the resources of one layer, such as its namespace, Helm releases and tasks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster.cluster import ClusterAccess
from components.cluster.host_requirements import HostService
from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json, Manifest, create_resource, is_custom_resource, resolve_secrets
from components.platform.chart_values import has_null, value_paths
from components.platform.layer import LAYER_LABEL, Layer
from components.provider_resources import ChartArchive, RandomSecret, Task, step

SALT_BYTES = 16
MAX_HISTORY = 5
"""Number of revisions that Helm retains for each release. Helm stores each revision in a Kubernetes Secret."""
CRD_SECONDS = 300
GATE_SECONDS = 300

AnyLayer = Layer[Any]


class LayerResources(pulumi.ComponentResource):
    """The Pulumi resources for the Helm charts, Kubernetes objects and scripts of one layer.

    `user_values` are the Helm values from the stack file.
    """

    def __init__(
        self,
        layer: AnyLayer,
        charts: Mapping[str, Chart],
        values: Mapping[str, Mapping[str, Json]],
        access: ClusterAccess,
        *,
        user_values: Mapping[str, Mapping[str, Json]],
        parent: pulumi.Resource,
    ) -> None:
        super().__init__("homelab:components:Layer", layer.key, None, pulumi.ResourceOptions(parent=parent))
        self._layer, self._charts, self._access = layer, charts, access
        self._values, self._user_values = values, user_values
        self._salt: pulumi.Output[str] | None = None
        first = [self._namespace()] if layer.owns_namespace else list(access.prior_tasks)
        self._base = [
            *first,
            *self._create(layer.objects_before_charts(), first),
            *self._services(access.prior_tasks, last=False),
        ]
        self.early_releases = [self._release(name, self._base) for name in self._values if name in layer.early_charts]

    def install(self, after: Sequence[pulumi.Resource]) -> None:
        """Create all other Pulumi resources of the layer, which depend on the resources in `after`."""
        created = [*self._base, *self.early_releases]
        for name in self._values:
            if name not in self._layer.early_charts:
                created.append(self._release(name, [*created, *after]))
        extension = list(self._layer.objects_after_charts())
        if extension or self._layer.awaited_objects:
            created.append(self._gate(extension, [*created, *after]))
            created += self._create(extension, created)
        created += self._services([*created, *after], last=True)
        if self._layer.user_data:
            self._guard(created)
        self.register_outputs({})

    def _namespace(self) -> pulumi.Resource:
        layer = self._layer
        labels = {f"pod-security.kubernetes.io/{mode}": layer.pod_security for mode in ("enforce", "warn")}
        namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": layer.namespace}}
        namespace["metadata"]["labels"] = {LAYER_LABEL: layer.key, **labels}
        return create_resource(namespace, f"{layer.key}-namespace", self._kubernetes(self._access.prior_tasks))

    def _release(self, name: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        chart, layer = self._charts[name], self._layer
        has_bare_crds = name in layer.charts_with_crds_folder
        opts = pulumi.ResourceOptions(parent=self, provider=self._access.homelab_provider, depends_on=list(after[:1]))
        user_values = self._user_values.get(name, {})
        archive = ChartArchive(
            f"{layer.key}-chart-{name}", chart, value_paths(user_values) if user_values else (), opts
        )
        # a task applies the CRDs in the `crds/` folder of a chart, because Helm itself never upgrades such CRDs
        wait = {"CRD_SECONDS": str(CRD_SECONDS)}
        applies_crds = has_bare_crds or name in layer.crd_only_charts
        source = _source(chart, archive)
        scripts = ["platform/apply-crds.sh"]
        crds = [self._task(f"crds-{name}", scripts, wait, after[:1], chart=source)] if applies_crds else []
        if applies_crds and not has_bare_crds:
            return crds[0]
        return kubernetes.helm.v3.Release(
            f"{layer.key}-{name}",
            name=name,
            namespace=layer.namespace,
            chart=archive.path,  # the verified archive, because Helm checks no checksums
            version=chart.version,
            values=resolve_secrets(self._values[name], self._random_bytes),
            allow_null_values=has_null(self._values[name]) or None,  # by default, Pulumi drops nulls
            skip_crds=has_bare_crds,
            timeout=layer.timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions.merge(
                self._kubernetes([*after, *crds]), pulumi.ResourceOptions(delete_before_replace=True)
            ),
        )

    def _gate(self, extension: Sequence[Manifest], after: Sequence[pulumi.Resource]) -> Task:
        """Create the task that waits until the API server accepts custom resources, because webhooks may start late."""
        by_kind = {(item["apiVersion"], item["kind"]): item for item in reversed(extension) if is_custom_resource(item)}
        samples = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(by_kind.values())}) if by_kind else ""
        variables = {
            "MANIFESTS": samples,
            "APPEARS": "\n".join(self._layer.awaited_objects),
            "NAMESPACE": self._layer.namespace,
            "GATE_SECONDS": str(GATE_SECONDS),
            "RELEASES": " ".join(f"{name}-{self._charts[name].version}" for name in self._values),
        }
        return self._task("gate", ["platform/wait-for-objects.sh"], variables, after)

    def _guard(self, after: Sequence[pulumi.Resource]) -> None:
        """Create the task whose undo step protects user data.

        When Pulumi deletes a layer, Pulumi first runs the undo step that protects user data. The undo step fails as
        long as the layer contains user data.
        """
        key = self._layer.key
        check = [step("platform/check-remaining-data.sh", on="server", unless=["retired", f"discard-{key}"])]
        query = "\n".join(self._layer.user_data_queries)
        variables = {"KEY": key, "KEEPS": self._layer.user_data, "QUERY": query}
        self._task("guard", [], variables, after, undo=check)

    def _services(self, after: Sequence[pulumi.Resource], *, last: bool) -> list[pulumi.Resource]:
        return [self._service(service, after) for service in self._layer.host_services() if service.runs_last is last]

    def _service(self, service: HostService, after: Sequence[pulumi.Resource]) -> Task:
        role, on = "-".join(filter(None, (service.name, service.node))), "machine" if service.node else "server"
        return self._task(
            role, service.run, service.variables, after, on=on, node=service.node, drift_check=service.drift_check,
            undo=[step(script, on=on) for script in service.undo],
            secrets=resolve_secrets(service.secrets, self._random_bytes),
        )  # fmt: skip

    def _task(
        self, role: str, scripts: Sequence[str], variables: Mapping[str, str], after: Sequence[pulumi.Resource],
        *, on: str = "server", node: str = "", **more: Any,
    ) -> Task:  # fmt: skip
        machine = self._access.connections[node] if node else self._access.first_server
        opts = pulumi.ResourceOptions(parent=self, provider=self._access.homelab_provider, depends_on=list(after))
        run = [step(script, on=on) for script in scripts]
        name, identity = f"{self._layer.key}-{role}", self._access.identity
        return Task(name, machine, run, cluster=identity, variables=variables, opts=opts, **more)

    def _create(self, manifests: Sequence[Manifest], after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        opts = self._kubernetes(after)
        return [
            create_resource(resolve_secrets(manifest, self._random_bytes), name, opts)
            for name, manifest in self._named(manifests)
        ]

    def _named(self, manifests: Sequence[Manifest]) -> Iterator[tuple[str, Json]]:
        for manifest in manifests:
            yield f"{self._layer.key}-{manifest['kind'].lower()}-{manifest['metadata']['name']}", manifest

    def _kubernetes(self, after: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._access.kubernetes_provider, depends_on=list(after))

    def _random_bytes(self) -> pulumi.Output[str]:
        """Return 16 random bytes of the layer as hexadecimal digits, from which homelab derives the layer's secrets.

        The first call of the method creates the Pulumi resource of the random bytes.
        """
        if self._salt is None:
            opts = pulumi.ResourceOptions(parent=self, provider=self._access.homelab_provider, ignore_changes=["bytes"])
            self._salt = RandomSecret(f"{self._layer.key}-salt", SALT_BYTES, opts).value
        return self._salt


def _source(chart: Chart, archive: ChartArchive) -> dict[str, object]:
    return {"name": chart.name, "version": chart.version, "repository": chart.repository, "sha256": archive.sha256}
