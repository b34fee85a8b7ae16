"""Layer: one system of the platform, described as data. `Platform` creates its resources."""

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
from components.settings.model import UNKNOWN, Model, UnknownValueError

S = TypeVar("S", bound=Model)

LAYER_LABEL = "homelab/layer"
"""Label on the namespaces of layers. Its value is the layer's key."""


@dataclass(frozen=True)
class LabContext:
    """The lab as layers see it: the cluster's settings, and the settings of all enabled layers by key."""

    cluster: ClusterSettings
    layers: Mapping[str, Model] = field(default_factory=dict)
    shared_object_store: ObjectStoreSettings | None = None
    """The bucket of all layers that do not set a bucket of their own."""
    charts: Mapping[str, Chart] = field(default_factory=dict)
    """The catalog's charts by name, for layers whose chart Argo CD installs."""
    namespaces: Collection[str] = ()
    """Namespaces of the enabled layers."""
    further_namespaces: Collection[str] = ()
    """Namespaces that the layers' own software creates. They do not have the layer label."""
    program_versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of the programs that layers install on machines without a chart, by the layer's key."""

    def object_store(self, own: ObjectStoreSettings | None, folder: str) -> ObjectStoreSettings | None:
        """Return the bucket of a layer: `own` if set, else this folder of the shared bucket."""
        if own is not None or self.shared_object_store is None:
            return own
        if self.shared_object_store is UNKNOWN:
            raise UnknownValueError("object_store")
        path = "/".join(filter(None, (self.shared_object_store.path, folder)))
        return self.shared_object_store.model_copy(update={"path": path})

    def is_enabled(self, key: str) -> bool:
        """Whether the layer with this key is enabled."""
        return key in self.layers

    def settings_of(self, kind: type[S]) -> S | None:
        """Return the settings of this type, or None if their layer is disabled."""
        return next((settings for settings in self.layers.values() if isinstance(settings, kind)), None)

    def replicas(self, wanted: int) -> int:
        """Limit the `wanted` replicas to the number of nodes, so that each replica has a node of its own."""
        return min(wanted, len(self.cluster.nodes))

    def check_node_names(self, names: Sequence[str], *path: str) -> Iterator[Finding]:
        """Yield a finding for each name in the setting at `path` that is unknown or repeated."""
        known = [node.name for node in self.cluster.nodes]
        for index, name in enumerate(names):
            if name not in known:
                yield (*path, index), "is not a node of the cluster", "use a name from cluster.nodes"
            elif name in names[:index]:
                yield (*path, index), "is repeated", "remove one of them"

    @property
    def quorum_size(self) -> int:
        """Number of quorum members, one per node: three, or one if fewer than three nodes are untainted."""
        return 3 if len(self.schedulable_nodes) >= 3 else 1

    @property
    def schedulable_nodes(self) -> tuple[NodeSettings, ...]:
        """The nodes without a NoSchedule or NoExecute taint, on which any pod can run."""
        blocking = (":NoSchedule", ":NoExecute")
        return tuple(node for node in self.cluster.nodes if not any(taint.endswith(blocking) for taint in node.taints))


class Layer(ABC, Generic[S]):
    """A system of the platform, described as data: a layer creates no resources itself.

    Its values and manifests contain secrets as `SecretRef`, or as one of the secret types of `kubernetes/manifest.py`.
    """

    key: ClassVar[str]
    """Key of the layer under `homelab:platform`. Without this key in the stack file the layer is disabled."""
    settings_type: ClassVar[type[Model]]
    """Model of the settings under that key."""
    namespace: ClassVar[str]
    """Namespace of the layer."""
    owns_namespace: ClassVar[bool] = True
    """Whether the namespace belongs to the layer alone, and is created and deleted with the layer."""
    further_namespaces: ClassVar[tuple[str, ...]] = ()
    """Namespaces that the layer's software creates for its pods."""
    pod_security: ClassVar[Literal["privileged", "baseline", "restricted"]] = "baseline"
    """Pod Security level of the layer's namespace."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Layers that must be enabled. They are installed before this layer."""
    installs_after: ClassVar[tuple[str, ...]] = ()
    """Layers that are installed before this layer if they are enabled."""
    installs_first: ClassVar[bool] = False
    """Whether this layer is installed before all others, because no pod starts without it (a CNI plugin)."""
    host_requirements: ClassVar[HostRequirements] = NO_REQUIREMENTS
    """Packages and kernel modules that the layer needs on every machine."""
    replaces_packaged: ClassVar[tuple[str, ...]] = ()
    """Components packaged with K3s that this layer replaces, so K3s must not run them."""
    early_charts: ClassVar[tuple[str, ...]] = ()
    """Charts of the layer with CRDs for other layers. They are installed before the charts of all other layers."""
    charts_with_crds_folder: ClassVar[tuple[str, ...]] = ()
    """Charts of the layer with a `crds/` folder. homelab applies these CRDs itself: Helm never upgrades them."""
    crd_only_charts: ClassVar[tuple[str, ...]] = ()
    """Charts of the layer that contain only CRDs. homelab applies them itself, without a Helm release."""
    awaited_objects: ClassVar[tuple[str, ...]] = ()
    """Objects (`kind/name`) that the layer's software creates after it is ready, and that other layers need."""
    user_data: ClassVar[str] = ""
    """User data in the layer, such as `volumes`. While `user_data_queries` find any, the layer cannot be disabled."""
    user_data_queries: ClassVar[tuple[str, ...]] = ()
    """Arguments of `kubectl get`, one entry for each query, that print the names of user data."""
    timeout_seconds: ClassVar[int] = 600
    """Seconds that a chart may take to become ready, or to be deleted."""

    def __init__(self, settings: S, lab: LabContext) -> None:
        self.settings = settings
        self.lab = lab

    @abstractmethod
    def values(self) -> Mapping[str, Json]:
        """Return the Helm values by chart name. Helm installs the charts in this order."""

    def host_services(self) -> Sequence[HostService]:
        """Return services that scripts set up on machines or in the cluster."""
        return ()

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the objects that the charts read, such as Secrets and ConfigMaps."""
        return ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the objects to create once the charts are ready, such as custom resources."""
        return ()

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the labels that the layer adds to a node."""
        return {}

    def outputs(self) -> Mapping[str, object]:
        """Return the layer's outputs for app stacks, by the field names of `PlatformOutputs`."""
        return {}

    def findings(self) -> Iterator[Finding]:
        """Yield conflicts between the layer's settings and the lab."""
        return iter(())

    @property
    def has_monitoring(self) -> bool:
        """Whether Prometheus collects from ServiceMonitors, that is, the monitoring layer is enabled."""
        return self.lab.is_enabled("monitoring")

    def metadata(self, name: str, **more: Any) -> dict[str, Any]:
        """Build the metadata of an object in the layer's namespace."""
        return {"name": name, "namespace": self.namespace, **more}


@dataclass(frozen=True)
class CatalogEntry:
    """A layer of the catalog, with the charts that it may install."""

    layer: type[Layer[Any]]
    charts: tuple[Chart, ...]

    def __init__(self, layer: type[Layer[Any]], *charts: Chart) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "charts", charts)


def topology_spread(labels: Mapping[str, str]) -> list[Json]:
    """Return topology spread constraints that place pods with these labels on as many nodes as possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def evicted_after(seconds: int) -> list[Json]:
    """Build tolerations: pods leave a node that is not ready or unreachable after `seconds`, instead of 300 s."""
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
    """Return a container's requests, with a memory limit equal to the request and no CPU limit."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def uncapped_resources(cpu: str, memory: str) -> Json:
    """Return the same for a chart with a default CPU limit: null removes that limit."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": None, "memory": memory}}
