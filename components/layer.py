"""Layer: one system of the platform, described as data. `Platform` makes resources of it."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from components.host import NOTHING, Host, Service
from components.lab import ClusterSettings, NodeSettings
from components.manifest import Manifest, Tree
from components.model import UNKNOWN, Model, NotKnownError
from components.object_store import ObjectStoreSettings

S = TypeVar("S", bound=Model)
Finding = tuple[tuple[str | int, ...], str, str]
"""Where below the layer's key something is wrong, the reason, the fix."""


LAYER = "homelab/layer"
"""Label of layers' namespaces; its value is the layer's key."""


@dataclass(frozen=True)
class Chart:
    """A Helm chart, of a Helm repository or, with oci://, a registry's folder; pinned by its archive's sha256."""

    name: str
    version: str
    repository: str
    sha256: str | None = None


@dataclass(frozen=True)
class Lab:
    """What a layer may know of the lab: the cluster, and the settings of the layers that are on, by key."""

    cluster: ClusterSettings
    layers: Mapping[str, Model] = field(default_factory=dict)
    shared_store: ObjectStoreSettings | None = None
    """The bucket that all layers share which name none of their own."""
    charts: Mapping[str, Chart] = field(default_factory=dict)
    """The catalog's charts by name, for layers that let others install one."""
    namespaces: Collection[str] = ()
    """Namespaces of the layers that are on."""
    further_namespaces: Collection[str] = ()
    """Namespaces that programs of these layers make, which have no label of a layer."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """Versions of what layers install on machines that is no chart, by the layer's key."""

    def store(self, own: ObjectStoreSettings | None, folder: str) -> ObjectStoreSettings | None:
        """Where a layer keeps what is to be in S3: `own`, else this folder of the bucket that is shared."""
        if own is not None or self.shared_store is None:
            return own
        if self.shared_store is UNKNOWN:
            raise NotKnownError("object_store")
        path = "/".join(filter(None, (self.shared_store.path, folder)))
        return self.shared_store.model_copy(update={"path": path})

    def has(self, key: str) -> bool:
        """Whether the layer of that key is on."""
        return key in self.layers

    def of(self, kind: type[S]) -> S | None:
        """The settings of that type, of a layer that is on."""
        return next((found for found in self.layers.values() if isinstance(found, kind)), None)

    def replicas(self, wanted: int) -> int:
        """`wanted` copies of something, each on a machine of its own, as far as there are machines."""
        return min(wanted, len(self.cluster.nodes))

    def strangers(self, names: Sequence[str], *place: str) -> Iterator[Finding]:
        """Yield names, which stand at `place`, that are no machine's, or are there a second time."""
        known = [node.name for node in self.cluster.nodes]
        for index, name in enumerate(names):
            if name not in known:
                yield (*place, index), "is no machine of the cluster", "use a name that stands in cluster.nodes"
            elif name in names[:index]:
                yield (*place, index), "is named twice", "leave it out here"

    @property
    def quorum(self) -> int:
        """Members of what needs a majority, each on a machine of its own: three, else one, as two need each other."""
        return 3 if len(self.untainted) >= 3 else 1

    @property
    def untainted(self) -> tuple[NodeSettings, ...]:
        """The machines on which any pod may run."""
        shut = (":NoSchedule", ":NoExecute")
        return tuple(node for node in self.cluster.nodes if not any(taint.endswith(shut) for taint in node.taints))


class Layer(ABC, Generic[S]):
    """A system of the platform. Everything it says is data: no resource is made here.

    Secrets stand in it as `SecretRef`, or as what `components.manifest` makes of them.
    """

    key: ClassVar[str]
    """Its key under `homelab:platform`; without it the layer is off."""
    settings_type: ClassVar[type[Model]]
    """The model of what stands under that key."""
    namespace: ClassVar[str]
    """Namespace that it is in."""
    own_namespace: ClassVar[bool] = True
    """Whether that namespace is its own: made with it, and gone with it."""
    further_namespaces: ClassVar[tuple[str, ...]] = ()
    """Namespaces that its programs make for pods of theirs."""
    security: ClassVar[Literal["privileged", "baseline", "restricted"]] = "baseline"
    """Pod Security level of that namespace."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Layers that must be on; it comes after them."""
    after: ClassVar[tuple[str, ...]] = ()
    """Layers that it comes after when they are on."""
    first: ClassVar[bool] = False
    """Whether all other layers come after it: without it their pods do not start."""
    host: ClassVar[Host] = NOTHING
    """What it needs on every machine."""
    replaces: ClassVar[tuple[str, ...]] = ()
    """Components packaged with K3s that must not run beside it."""
    early: ClassVar[tuple[str, ...]] = ()
    """Those of its charts that hold CRDs for other layers: installed before any other layer's chart."""
    bare_crds: ClassVar[tuple[str, ...]] = ()
    """Those of its charts with a `crds/` folder, which Helm would never upgrade: applied by ourselves."""
    crd_charts: ClassVar[tuple[str, ...]] = ()
    """Those of its charts that hold CRDs and nothing else: applied by ourselves too, and no release of Helm's."""
    appears: ClassVar[tuple[str, ...]] = ()
    """Objects (`kind/name`) that its software makes some time after it is ready, and that others need."""
    keeps: ClassVar[str] = ""
    """What users would lose with it, such as `volumes`: it is not switched off while `kept` finds any."""
    kept: ClassVar[tuple[str, ...]] = ()
    """What to ask `kubectl get` for, a line each: names of what users would lose."""
    timeout: ClassVar[int] = 600
    """Seconds that a chart may take to be ready, or to be gone."""

    def __init__(self, settings: S, lab: Lab) -> None:
        self.settings = settings
        self.lab = lab

    @abstractmethod
    def values(self) -> Mapping[str, Tree]:
        """Values by the name of the chart: what is installed, in this order."""

    def services(self) -> Sequence[Service]:
        """What it sets up by scripts, on machines or in the cluster: before its charts, or last."""
        return ()

    def before(self) -> Sequence[Manifest]:
        """Objects that its charts read: secrets, configuration."""
        return ()

    def extend(self) -> Sequence[Manifest]:
        """Objects that come after its charts serve: its custom resources."""
        return ()

    def node_labels(self, node: NodeSettings) -> Mapping[str, str]:
        """Labels that a machine gets for it, besides its own."""
        return {}

    def outputs(self) -> Mapping[str, object]:
        """What app stacks learn: values of fields of `PlatformOutputs`."""
        return {}

    def problems(self) -> Iterator[Finding]:
        """What is wrong between its settings and the lab."""
        return iter(())

    @property
    def monitored(self) -> bool:
        """Whether there is something that reads ServiceMonitors."""
        return self.lab.has("monitoring")

    def metadata(self, name: str, **more: Any) -> dict[str, Any]:
        """Metadata of an object in its namespace."""
        return {"name": name, "namespace": self.namespace, **more}


@dataclass(frozen=True)
class Row:
    """A layer of the catalog, with the charts it may install."""

    layer: type[Layer[Any]]
    charts: tuple[Chart, ...]

    def __init__(self, layer: type[Layer[Any]], *charts: Chart) -> None:
        object.__setattr__(self, "layer", layer)
        object.__setattr__(self, "charts", charts)


def spread(labels: Mapping[str, str]) -> list[Tree]:
    """Topology spread: pods with these labels on as many machines as can be."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def resources(cpu: str, memory: str) -> Tree:
    """What a container is promised; of memory it gets no more, of the processor what others leave."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}


def uncapped(cpu: str, memory: str) -> Tree:
    """The same for a chart that limits the processor by default: null removes what its own values say."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": None, "memory": memory}}
