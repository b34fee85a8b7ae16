"""Base class `Layer`: describes a system of the platform as data, from which homelab creates Pulumi resources."""

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
"""Label on the namespaces of layers, whose value is the key of the layer."""


@dataclass(frozen=True)
class LabContext:
    """The settings that every layer can read: the cluster's settings, and the settings of all enabled layers."""

    cluster: ClusterSettings
    layers: Mapping[str, Model] = field(default_factory=dict)
    shared_object_store: ObjectStoreSettings | None = None
    """S3 bucket for all layers that have no S3 bucket of their own."""
    charts: Mapping[str, Chart] = field(default_factory=dict)
    """Helm charts of all layers by chart name, with the version, repository and checksum from the settings."""
    namespaces: Collection[str] = ()
    """Namespaces of all enabled layers."""
    further_namespaces: Collection[str] = ()
    """Additional namespaces, which the software of layers creates. The additional namespaces lack the label
    `homelab/layer`."""
    program_versions: Mapping[str, str] = field(default_factory=dict)
    """Versions of programs that layers install on machines without Helm, by the key of the layer."""

    def object_store(self, own: ObjectStoreSettings | None, folder: str) -> ObjectStoreSettings | None:
        """Return the S3 bucket of a layer: `own` if set, otherwise `folder` in the bucket that all layers share."""
        if own is not None or self.shared_object_store is None:
            return own
        path = "/".join(filter(None, (self.shared_object_store.path, folder)))
        return self.shared_object_store.model_copy(update={"path": path})

    def is_enabled(self, key: str) -> bool:
        """Whether the stack file enables the layer with the key `key`."""
        return key in self.layers

    def settings_of(self, kind: type[S]) -> S | None:
        """Return the settings of the layer whose settings have the type `kind`, or None if the layer is disabled."""
        return next((settings for settings in self.layers.values() if isinstance(settings, kind)), None)

    def replicas(self, wanted: int) -> int:
        """Return the smaller of `wanted` and the number of nodes, so that each replica can run on another node."""
        return min(wanted, len(self.cluster.nodes))

    def check_node_names(self, names: Sequence[str], *path: str) -> Iterator[Finding]:
        """Yield an error for each unknown or repeated node name in the setting at `path`."""
        known = [node.name for node in self.cluster.nodes]
        for index, name in enumerate(names):
            if name not in known:
                yield (*path, index), "is not a node of the cluster", "use a name from cluster.nodes"
            elif name in names[:index]:
                yield (*path, index), "is repeated", "remove one of them"

    @property
    def quorum_size(self) -> int:
        """Number of members that a quorum needs: three, or one if the cluster has fewer than three untainted nodes."""
        return 3 if len(self.schedulable_nodes) >= 3 else 1

    @property
    def schedulable_nodes(self) -> tuple[NodeSettings, ...]:
        """The nodes without taints of the effects NoSchedule and NoExecute, on which any pod can run."""
        blocking = (":NoSchedule", ":NoExecute")
        return tuple(node for node in self.cluster.nodes if not any(taint.endswith(blocking) for taint in node.taints))


class Layer(ABC, Generic[S]):
    """A system of the platform, such as MetalLB, described as data.

    `LayerResources` creates the Pulumi resources of a layer. In Helm values and manifests, each secret is a `SecretRef`
    or another secret type of `kubernetes/manifest.py`.
    """

    key: ClassVar[str]
    """Key of the layer under `homelab:platform` in the stack file. If the stack file omits the key of a layer, the
    layer is disabled."""
    settings_type: ClassVar[type[Model]]
    """Pydantic model of the layer's settings in the stack file."""
    namespace: ClassVar[str]
    """Namespace of the layer."""
    owns_namespace: ClassVar[bool] = True
    """Whether the namespace belongs to this layer alone, so that homelab creates and deletes the namespace with the
    layer."""
    further_namespaces: ClassVar[tuple[str, ...]] = ()
    """Additional namespaces, which the layer's software itself creates for its pods."""
    pod_security: ClassVar[Literal["privileged", "baseline", "restricted"]] = "baseline"
    """Pod Security level of the namespace of the layer."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Keys of the layers that the layer requires. homelab installs the required layers first."""
    installs_after: ClassVar[tuple[str, ...]] = ()
    """Keys of optional layers, which homelab installs before the layer if they are enabled."""
    installs_first: ClassVar[bool] = False
    """Whether homelab installs the layer before all other layers. CNI plugins are installed first, because all pods
    need the pod network."""
    host_requirements: ClassVar[HostRequirements] = NO_REQUIREMENTS
    """apt packages and kernel modules that the layer needs on every machine."""
    replaces_packaged: ClassVar[tuple[str, ...]] = ()
    """Packaged K3s components that the layer replaces. homelab disables the replaced components in K3s."""
    early_charts: ClassVar[tuple[str, ...]] = ()
    """Helm charts whose CRDs other layers use. homelab installs charts with shared CRDs before the charts of all other
    layers."""
    charts_with_crds_folder: ClassVar[tuple[str, ...]] = ()
    """Helm charts with a `crds/` folder. homelab itself applies the CRDs in a chart's `crds/` folder, because Helm
    never upgrades such CRDs."""
    crd_only_charts: ClassVar[tuple[str, ...]] = ()
    """Helm charts that contain only CRDs. homelab itself applies the CRDs of a CRD-only chart, without a Helm
    release."""
    awaited_objects: ClassVar[tuple[str, ...]] = ()
    """Kubernetes objects (`kind/name`) that the layer's software creates after its start, and that other layers
    need."""
    user_data: ClassVar[str] = ""
    """Kind of user data that the layer contains, such as `volumes`. homelab refuses to disable a layer that contains
    user data."""
    user_data_queries: ClassVar[tuple[str, ...]] = ()
    """Arguments of `kubectl get`, with which kubectl prints the names of objects that contain user data."""
    timeout_seconds: ClassVar[int] = 600
    """Timeout for the installation or deletion of a Helm chart, in seconds."""

    def __init__(self, settings: S, lab: LabContext) -> None:
        self.settings = settings
        self.lab = lab

    @classmethod
    def further_charts(cls, settings: S) -> Sequence[Chart]:
        """Return the Helm charts that only the layer's settings name, in addition to the charts of the catalog."""
        return ()

    @abstractmethod
    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the layer by chart name.

        homelab installs the charts in the order of the returned mapping.
        """

    def host_services(self) -> Sequence[HostService]:
        """Return the parts of the layer that scripts set up on machines or in the cluster, without Helm."""
        return ()

    def objects_before_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes objects that the Helm charts need, such as Secrets to which the charts refer."""
        return ()

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the Kubernetes objects that need the layer's running software, such as custom resources."""
        return ()

    @property
    def load_balancers(self) -> int:
        """Number of Services of type LoadBalancer that the layer creates."""
        return 0

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Return the labels that the layer adds to the node."""
        return {}

    def outputs(self) -> Mapping[str, object]:
        """Return the stack outputs of the layer, which app stacks read.

        The keys of the mapping are names of fields of `PlatformOutputs`.
        """
        return {}

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the layer's settings, and conflicts between the layer's settings and other settings."""
        return iter(())

    @property
    def has_monitoring(self) -> bool:
        """Whether the layer monitoring is enabled, whose Prometheus collects metrics from ServiceMonitors."""
        return self.lab.is_enabled("monitoring")

    def metadata(self, name: str, **more: Any) -> dict[str, Any]:
        """Build the metadata of a Kubernetes object in the namespace of the layer."""
        return {"name": name, "namespace": self.namespace, **more}


@dataclass(frozen=True)
class CatalogEntry:
    """A layer class, with all Helm charts that the layer may install."""

    layer: type[Layer[Any]]
    charts: tuple[Chart, ...]

    def __init__(self, layer: type[Layer[Any]], *charts: Chart) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "charts", charts)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that belong to the layer, which apps cannot use."""
        return (self.layer.namespace, *self.layer.further_namespaces)


def topology_spread(labels: Mapping[str, str]) -> list[Json]:
    """Return topologySpreadConstraints that spread pods with these `labels` over as many nodes as possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def disruption_budget(replicas: int, **limit: int) -> Json:
    """Return the Helm values of a PodDisruptionBudget with `minAvailable` or `maxUnavailable` as `limit`.

    A PodDisruptionBudget of a single replica would block every drain, so it is disabled.
    """
    return {"enabled": True, **limit} if replicas > 1 else {"enabled": False}


def evicted_after(seconds: int) -> list[Json]:
    """Return tolerations with which pods stay `seconds` instead of 300 seconds on a not-ready or unreachable node."""
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
    """Return resource requests and a memory limit for a container.

    The memory limit equals the memory request, and CPU has no limit.
    """
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def uncapped_resources(cpu: str, memory: str) -> Json:
    """Return the same as `resources()`, but with a null as CPU limit, which removes the chart's default CPU limit."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": None, "memory": memory}}
