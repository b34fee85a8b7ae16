"""Ray: Python programs on many machines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from components.app.kinds import AppName, Cpu, Image, Size
from components.fields import Kind
from components.layer import Finding, Layer, resources, spread, uncapped
from components.manifest import Manifest, Tree
from components.model import Model
from components.wrong import wrong

_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+"
_TOKENS = (2, 52)


def _version(value: str) -> str:
    if not re.fullmatch(_VERSION, value, re.ASCII):
        raise wrong("is no version of Ray", "write it as 2.53.0")
    if tuple(map(int, value.split(".")))[:2] < _TOKENS:
        raise wrong("lets everybody in: tokens came with Ray 2.52", "use 2.52.0 or newer")
    return value


class RayWorkersSettings(Model):
    """Workers of a Ray cluster: as many as its programs ask for."""

    min: Annotated[int, Field(strict=True, ge=0)] = 0
    """How many there are always."""
    max: Annotated[int, Field(strict=True, ge=1)] = 3
    """How many there are at most."""
    cpu: Cpu = "1"
    """Processors of each."""
    memory: Size = "2Gi"
    """Memory of each."""


class RayClusterSettings(Model):
    """A Ray cluster. Who has the token in the secret of its name may run anything in it."""

    version: Annotated[str, Kind("Ray version", _version, _VERSION)] = "2.53.0"
    """Version of Ray in the image."""
    image: Image | None = None
    """Image of head and workers. Default: `rayproject/ray` of the version and the architecture."""
    arch: Literal["amd64", "arm64"] | None = None
    """Machines it runs on: Ray's images are for one architecture. Default: arm64 if all nodes say so, else amd64."""
    cpu: Cpu = "500m"
    """Processors of the head, which runs no work itself."""
    memory: Size = "2Gi"
    """Memory of the head."""
    workers: RayWorkersSettings = RayWorkersSettings()
    """The workers."""


class RaySettings(Model):
    """Ray, run by the KubeRay operator, which takes care of `RayCluster` resources in every namespace."""

    clusters: dict[AppName, RayClusterSettings] = Field(default_factory=dict)
    """Clusters in namespace `ray` by name; programs reach one at `ray://NAME-head-svc.ray.svc:10001`."""


class Ray(Layer[RaySettings]):
    """The KubeRay operator, and Ray clusters by name."""

    key = "ray"
    settings_type = RaySettings
    namespace = "ray"
    bare_crds = ("kuberay-operator",)

    def values(self) -> Mapping[str, Tree]:
        """Return the operator, which waits beside its other copy where there are two machines."""
        operator: dict[str, Tree] = {
            "replicas": self.lab.replicas(2),
            "resources": uncapped("50m", "256Mi"),
            "metrics": {"serviceMonitor": {"enabled": self.monitored}},
        }
        return {"kuberay-operator": operator}

    def extend(self) -> Sequence[Manifest]:
        """Return the clusters."""
        kind = {"apiVersion": "ray.io/v1", "kind": "RayCluster"}
        given = self.settings.clusters.items()
        return [{**kind, "metadata": self.metadata(name), "spec": self._cluster(name, each)} for name, each in given]

    def _cluster(self, name: str, cluster: RayClusterSettings) -> Tree:
        workers = cluster.workers
        group = {
            "groupName": "workers",
            "replicas": workers.min,
            "minReplicas": workers.min,
            "maxReplicas": workers.max,
            "rayStartParams": {},
            "template": self._template(name, cluster, "worker", resources(workers.cpu, workers.memory)),
        }
        return {
            "rayVersion": cluster.version,
            "authOptions": {"mode": "token"},
            "enableInTreeAutoscaling": True,
            "autoscalerOptions": {"resources": resources("50m", "512Mi")},
            "headGroupSpec": {
                "rayStartParams": {"num-cpus": "0"},
                "template": self._template(name, cluster, "head", resources(cluster.cpu, cluster.memory)),
            },
            "workerGroupSpecs": [group],
        }

    def _template(self, name: str, cluster: RayClusterSettings, role: str, amounts: Tree) -> Tree:
        arch = self._arch(cluster)
        suffix = "-aarch64" if arch == "arm64" else ""
        image = cluster.image or f"rayproject/ray:{cluster.version}{suffix}"
        pod: dict[str, Tree] = {
            "nodeSelector": {"kubernetes.io/arch": arch},
            "topologySpreadConstraints": spread({"ray.io/cluster": name, "ray.io/node-type": role}),
            "containers": [{"name": f"ray-{role}", "image": image, "resources": amounts}],
        }
        return {"spec": pod}

    def _arch(self, cluster: RayClusterSettings) -> str:
        known = {node.arch for node in self.lab.untainted}
        return cluster.arch or ("arm64" if known == {"arm64"} else "amd64")

    def problems(self) -> Iterator[Finding]:
        """Yield what is wrong between the clusters and the machines."""
        known = {node.arch for node in self.lab.untainted}
        for name, cluster in self.settings.clusters.items():
            place = ("clusters", name)
            if cluster.workers.min > cluster.workers.max:
                yield (*place, "workers", "min"), "is more than max", "raise max, or lower min"
            arch = self._arch(cluster)
            if None not in known and arch not in known:
                reason = f"finds no machine that is {arch} and takes any pod"
                yield (*place, "arch"), reason, "name another one, or see the arch of cluster.nodes"
