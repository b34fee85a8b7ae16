"""Base class `Layer`: describes one system of the platform as data, from which `Platform` creates resources."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from components.cluster.host_requirements import NO_REQUIREMENTS, HostRequirements, HostService
from components.cluster.settings import ClusterSettings, NodeSettings
from components.kubernetes.chart import Chart
from components.kubernetes.manifest import Json, Manifest
from components.platform.object_store import ObjectStoreSettings
from components.settings.errors import Finding
from components.settings.model import Model

S = TypeVar("S", bound=Model)

LAYER_LABEL = "homelab/layer"
"""Label on the namespaces of layers. The label's value is the layer's key."""


@dataclass(frozen=True)
class LabContext:
    """The settings that layers read: the settings of the cluster, and the settings of all enabled layers by key."""

    cluster: ClusterSettings
    layers: Mapping[str, Model] = field(default_factory=dict)
    shared_object_store: ObjectStoreSettings | None = None
    """The bucket for all layers that do not set a bucket of their own."""
    charts: Mapping[str, Chart] = field(default_factory=dict)
    """The catalog's charts by name, with the version, repository and pin from the settings."""
    namespaces: Collection[str] = ()
    """Namespaces of the enabled layers."""
    further_namespaces: Collection[str] = ()
    """Namespaces that the software of layers creates. These namespaces do not have the layer label."""
    program_versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of programs that layers install on machines directly, by the layer's key."""

    def object_store(self, own: ObjectStoreSettings | None, folder: str) -> ObjectStoreSettings | None:
        """Return the bucket of a layer: `own` if set, or `folder` in the shared bucket if `own` is None."""
        if own is not None or self.shared_object_store is None:
            return own
        path = "/".join(filter(None, (self.shared_object_store.path, folder)))
        return self.shared_object_store.model_copy(update={"path": path})

    def is_enabled(self, key: str) -> bool:
        """Whether the layer with the key `key` is enabled."""
        return key in self.layers

    def settings_of(self, kind: type[S]) -> S | None:
        """Return the layer settings of type `kind`, or None if the layer is disabled."""
        return next((settings for settings in self.layers.values() if isinstance(settings, kind)), None)

    def replicas(self, wanted: int) -> int:
        """Limit the number of replicas to the number of nodes, so that each replica can run on a separate node."""
        return min(wanted, len(self.cluster.nodes))

    def check_node_names(self, names: Sequence[str], *path: str) -> Iterator[Finding]:
        """Yield a finding for each unknown or repeated node name in the setting at `path`."""
        known = [node.name for node in self.cluster.nodes]
        for index, name in enumerate(names):
            if name not in known:
                yield (*path, index), "is not a node of the cluster", "use a name from cluster.nodes"
            elif name in names[:index]:
                yield (*path, index), "is repeated", "remove one of them"

    @property
    def quorum_size(self) -> int:
        """Number of members of a quorum: three, or one if the cluster has fewer than three untainted nodes."""
        return 3 if len(self.schedulable_nodes) >= 3 else 1

    @property
    def schedulable_nodes(self) -> tuple[NodeSettings, ...]:
        """The nodes without a NoSchedule or NoExecute taint, on which any pod can run."""
        blocking = (":NoSchedule", ":NoExecute")
        return tuple(node for node in self.cluster.nodes if not any(taint.endswith(blocking) for taint in node.taints))


class Layer(ABC, Generic[S]):
    """A system of the platform, described as data. `LayerResources` creates the resources of a layer.

    Secrets in Helm values and manifests are a `SecretRef` or one of the secret types of `kubernetes/manifest.py`.
    """

    key: ClassVar[str]
    """Key of the layer under `homelab:platform`. A layer whose key is missing in the stack file is disabled."""
    settings_type: ClassVar[type[Model]]
    """Model of the layer's settings in the stack file."""
    namespace: ClassVar[str]
    """Namespace of the layer."""
    owns_namespace: ClassVar[bool] = True
    """Whether only this layer uses the namespace, so that homelab creates and deletes the namespace with the layer."""
    further_namespaces: ClassVar[tuple[str, ...]] = ()
    """Namespaces that the layer's software creates for pods."""
    pod_security: ClassVar[Literal["privileged", "baseline", "restricted"]] = "baseline"
    """Pod Security level of the layer's namespace."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Keys of the layers that this layer requires. Required layers are installed before this layer."""
    installs_after: ClassVar[tuple[str, ...]] = ()
    """Keys of optional layers that, if enabled, are installed before this layer."""
    installs_first: ClassVar[bool] = False
    """Whether this layer is installed before all other layers. True for CNI plugins, which all pods need."""
    host_requirements: ClassVar[HostRequirements] = NO_REQUIREMENTS
    """Packages and kernel modules that the layer needs on every machine."""
    replaces_packaged: ClassVar[tuple[str, ...]] = ()
    """Packaged K3s components that this layer replaces. homelab disables these components in K3s."""
    early_charts: ClassVar[tuple[str, ...]] = ()
    """Charts whose CRDs other layers use. These charts are installed before the charts of all other layers."""
    charts_with_crds_folder: ClassVar[tuple[str, ...]] = ()
    """Charts with a `crds/` folder. homelab applies the CRDs in that folder, because Helm never upgrades such CRDs."""
    crd_only_charts: ClassVar[tuple[str, ...]] = ()
    """Charts that contain only CRDs. homelab applies the CRDs of these charts without a Helm release."""
    awaited_objects: ClassVar[tuple[str, ...]] = ()
    """Objects (`kind/name`) that other layers need, and that the layer's software creates after its start."""
    user_data: ClassVar[str] = ""
    """Kind of user data in the layer, such as `volumes`. A layer with user data cannot be disabled."""
    user_data_queries: ClassVar[tuple[str, ...]] = ()
    """Arguments of `kubectl get`. Each entry is a query that prints the names of objects with user data."""
    timeout_seconds: ClassVar[int] = 600
    """Timeout in seconds for the installation or deletion of a chart."""

    def __init__(self, settings: S, lab: LabContext) -> None:
        self.settings = settings
        self.lab = lab

    @abstractmethod
    def values(self) -> Mapping[str, Json]:
        """Return the Helm values by chart name. Helm installs the charts in the order of this mapping."""

    def host_services(self) -> Sequence[HostService]:
        """Return the parts of the layer that scripts set up on machines or in the cluster."""
        return ()

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the objects to create before the charts, such as Secrets that the charts refer to."""
        return ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the objects to create once the charts are ready, such as custom resources."""
        return ()

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the labels that the layer adds to a node."""
        return {}

    def outputs(self) -> Mapping[str, object]:
        """Return the layer's outputs for app stacks. The keys are field names of `PlatformOutputs`."""
        return {}

    def findings(self) -> Iterator[Finding]:
        """Yield conflicts between the layer's settings and other settings of the lab."""
        return iter(())

    @property
    def has_monitoring(self) -> bool:
        """Whether the monitoring layer is enabled, so that Prometheus scrapes the targets of ServiceMonitors."""
        return self.lab.is_enabled("monitoring")

    def metadata(self, name: str, **more: Any) -> dict[str, Any]:
        """Build the metadata of an object in the layer's namespace."""
        return {"name": name, "namespace": self.namespace, **more}


@dataclass(frozen=True)
class CatalogEntry:
    """A layer of the catalog, with all charts that the layer may install."""

    layer: type[Layer[Any]]
    charts: tuple[Chart, ...]

    def __init__(self, layer: type[Layer[Any]], *charts: Chart) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "charts", charts)


def topology_spread(labels: Mapping[str, str]) -> list[Json]:
    """Return topology spread constraints that spread pods with `labels` over as many nodes as possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def evicted_after(seconds: int) -> list[Json]:
    """Return tolerations that let pods stay on a not-ready or unreachable node for `seconds` instead of 300 s."""
    return [
        {
            "key": f"node.kubernetes.io/{condition}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": seconds,
        }
        for condition in ("not-ready", "unreachable")
    ]


def resources(cpu: str, memory: str) -> Json:
    """Return a container's resource requests, a memory limit equal to the memory request, and no CPU limit."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def uncapped_resources(cpu: str, memory: str) -> Json:
    """Return the same as `resources()`, plus a null value that removes the chart's default CPU limit."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": None, "memory": memory}}
