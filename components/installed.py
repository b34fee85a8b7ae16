"""Installed: one layer in the cluster, from its namespace to its custom resources."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.cluster import Access
from components.host import Service
from components.layer import LAYER, Chart, Layer
from components.machine import Archive, Secret, Task, step
from components.manifest import Manifest, Tree, create, is_custom, resolve
from components.overlay import has_null, keys

SALT_BYTES = 16
HISTORY = 5
"""Revisions that Helm keeps of a release, each a Secret."""
CRD_SECONDS = 300
GATE_SECONDS = 300

AnyLayer = Layer[Any]


class Installed(pulumi.ComponentResource):
    """One layer in the cluster: its charts with these values, some of which were given from outside of it."""

    def __init__(
        self,
        layer: AnyLayer,
        charts: Mapping[str, Chart],
        values: Mapping[str, Mapping[str, Tree]],
        access: Access,
        *,
        given: Mapping[str, Mapping[str, Tree]],
        parent: pulumi.Resource,
    ) -> None:
        super().__init__("homelab:components:Layer", layer.key, None, pulumi.ResourceOptions(parent=parent))
        self._layer, self._charts, self._access = layer, charts, access
        self._values, self._given = values, given
        self._salt: pulumi.Output[str] | None = None
        first = [self._namespace()] if layer.own_namespace else list(access.ready)
        self._base = [*first, *self._create(layer.before(), first), *self._services(access.ready, last=False)]
        self.early = [self._release(name, self._base) for name in self._values if name in layer.early]

    def install(self, after: Sequence[pulumi.Resource]) -> None:
        """Make what is left of the layer, after what it comes after."""
        made = [*self._base, *self.early]
        for name in self._values:
            if name not in self._layer.early:
                made.append(self._release(name, [*made, *after]))
        extension = list(self._layer.extend())
        if extension or self._layer.appears:
            made.append(self._gate(extension, [*made, *after]))
            made += self._create(extension, made)
        made += self._services([*made, *after], last=True)
        if self._layer.keeps:
            self._guard(made)
        self.register_outputs({})

    def _namespace(self) -> pulumi.Resource:
        layer = self._layer
        labels = {f"pod-security.kubernetes.io/{mode}": layer.security for mode in ("enforce", "warn")}
        namespace: Manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": layer.namespace}}
        namespace["metadata"]["labels"] = {LAYER: layer.key, **labels}
        return create(namespace, f"{layer.key}-namespace", self._kubernetes(self._access.ready))

    def _release(self, name: str, after: Sequence[pulumi.Resource]) -> pulumi.Resource:
        chart, layer = self._charts[name], self._layer
        bare = name in layer.bare_crds
        opts = pulumi.ResourceOptions(parent=self, provider=self._access.machines, depends_on=list(after[:1]))
        given = self._given.get(name, {})
        archive = Archive(f"{layer.key}-chart-{name}", chart, keys(given) if given else (), opts)
        # Helm installs what is in a chart's `crds/` once and never again
        wait = {"CRD_SECONDS": str(CRD_SECONDS)}
        applied = bare or name in layer.crd_charts
        of = _of(chart, archive)
        crds = [self._task(f"crds-{name}", ["crds.sh"], wait, after[:1], chart=of)] if applied else []
        if applied and not bare:
            return crds[0]
        return kubernetes.helm.v3.Release(
            f"{layer.key}-{name}",
            name=name,
            namespace=layer.namespace,
            chart=archive.path,  # Helm fetches nothing: what it would fetch, it would not verify
            version=chart.version,
            values=resolve(self._values[name], self._salted),
            allow_null_values=has_null(self._values[name]) or None,  # else they are dropped, and remove nothing
            skip_crds=bare,
            timeout=layer.timeout,
            max_history=HISTORY,
            opts=pulumi.ResourceOptions.merge(
                self._kubernetes([*after, *crds]), pulumi.ResourceOptions(delete_before_replace=True)
            ),
        )

    def _gate(self, extension: Sequence[Manifest], after: Sequence[pulumi.Resource]) -> Task:
        """Passes when the API takes the custom resources: a webhook may answer later than its pod is ready."""
        kinds = {(each["apiVersion"], each["kind"]): each for each in reversed(extension) if is_custom(each)}
        asked = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(kinds.values())}) if kinds else ""
        variables = {
            "MANIFESTS": asked,
            "APPEARS": "\n".join(self._layer.appears),
            "NAMESPACE": self._layer.namespace,
            "GATE_SECONDS": str(GATE_SECONDS),
            "RELEASES": " ".join(f"{name}-{self._charts[name].version}" for name in self._values),
        }
        return self._task("gate", ["gate.sh"], variables, after)

    def _guard(self, after: Sequence[pulumi.Resource]) -> None:
        """Undone before anything else of the layer, and then refuses as long as there is something to lose."""
        key = self._layer.key
        leave = [step("guard.sh", on="server", unless=["retired", f"discard-{key}"])]
        query = "\n".join(self._layer.kept)
        variables = {"KEY": key, "KEEPS": self._layer.keeps, "QUERY": query}
        self._task("guard", [], variables, after, undo=leave)

    def _services(self, after: Sequence[pulumi.Resource], *, last: bool) -> list[pulumi.Resource]:
        return [self._service(each, after) for each in self._layer.services() if each.last is last]

    def _service(self, service: Service, after: Sequence[pulumi.Resource]) -> Task:
        role, on = "-".join(filter(None, (service.name, service.node))), "machine" if service.node else "server"
        return self._task(
            role, service.run, service.variables, after, on=on, node=service.node, probe=service.probe,
            undo=[step(script, on=on) for script in service.undo], secrets=resolve(service.secrets, self._salted),
        )  # fmt: skip

    def _task(
        self, role: str, scripts: Sequence[str], variables: Mapping[str, str], after: Sequence[pulumi.Resource],
        *, on: str = "server", node: str = "", **more: Any,
    ) -> Task:  # fmt: skip
        machine = self._access.reach[node] if node else self._access.machine
        opts = pulumi.ResourceOptions(parent=self, provider=self._access.machines, depends_on=list(after))
        run = [step(script, on=on) for script in scripts]
        name, identity = f"{self._layer.key}-{role}", self._access.identity
        return Task(name, machine, run, cluster=identity, variables=variables, opts=opts, **more)

    def _create(self, manifests: Sequence[Manifest], after: Sequence[pulumi.Resource]) -> list[pulumi.Resource]:
        opts = self._kubernetes(after)
        return [create(resolve(each, self._salted), name, opts) for name, each in self._titled(manifests)]

    def _titled(self, manifests: Sequence[Manifest]) -> Iterator[tuple[str, Tree]]:
        for each in manifests:
            yield f"{self._layer.key}-{each['kind'].lower()}-{each['metadata']['name']}", each

    def _kubernetes(self, after: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, provider=self._access.kubernetes, depends_on=list(after))

    def _salted(self) -> pulumi.Output[str]:
        """Random bytes of the layer's own, made when they are first wanted."""
        if self._salt is None:
            opts = pulumi.ResourceOptions(parent=self, provider=self._access.machines, ignore_changes=["bytes"])
            self._salt = Secret(f"{self._layer.key}-salt", SALT_BYTES, opts).value
        return self._salt


def _of(chart: Chart, archive: Archive) -> dict[str, object]:
    return {"name": chart.name, "version": chart.version, "repository": chart.repository, "sha256": archive.sha256}
