"""Ray, which runs distributed Python programs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from components.kubernetes.manifest import Json, Manifest
from components.platform.layer import Layer, resources, topology_spread, uncapped_resources
from components.settings.errors import Finding, setting_error
from components.settings.fields import TextType
from components.settings.kubernetes_fields import AppName, Cpu, Image, Size
from components.settings.model import Model

_VERSION = r"[0-9]+\.[0-9]+\.[0-9]+"
_FIRST_WITH_TOKENS = (2, 52)


def _version(value: str) -> str:
    if not re.fullmatch(_VERSION, value, re.ASCII):
        raise setting_error("is not a version of Ray", "write it as 2.53.0")
    if tuple(map(int, value.split(".")))[:2] < _FIRST_WITH_TOKENS:
        raise setting_error("has no authentication: Ray supports tokens since 2.52", "use 2.52.0 or newer")
    return value


class RayWorkersSettings(Model):
    """Settings of the workers of a Ray cluster. Ray adjusts the number of workers to the load of Ray programs."""

    min: Annotated[int, Field(strict=True, ge=0)] = 0
    """Minimum number of workers."""
    max: Annotated[int, Field(strict=True, ge=1)] = 3
    """Maximum number of workers."""
    cpu: Cpu = "1"
    """CPUs of each worker."""
    memory: Size = "2Gi"
    """Memory of each worker."""


class RayClusterSettings(Model):
    """Settings of a Ray cluster. A Kubernetes Secret with the name of the Ray cluster contains the token with which
    clients authenticate.

    Whoever has the token can run any code in the Ray cluster.
    """

    version: Annotated[str, TextType("Ray version", _version, _VERSION)] = "2.53.0"
    """Version of Ray in the image."""
    image: Image | None = None
    """Image of head and workers. Default: the image `rayproject/ray` with the tag for `version` and `arch`."""
    arch: Literal["amd64", "arm64"] | None = None
    """CPU architecture of the nodes that run the Ray cluster, because a Ray image supports only one architecture.
    Default: `arm64` if all untainted nodes have `arch: arm64`, otherwise `amd64`."""
    cpu: Cpu = "500m"
    """Number of CPUs for the Ray head, which runs no Ray tasks."""
    memory: Size = "2Gi"
    """Memory of the head."""
    workers: RayWorkersSettings = RayWorkersSettings()
    """Settings of the workers."""


class RaySettings(Model):
    """Settings of Ray. The KubeRay operator manages the `RayCluster` resources in all namespaces."""

    clusters: dict[AppName, RayClusterSettings] = Field(default_factory=dict)
    """Ray clusters by name. homelab creates the Ray clusters in the namespace `ray`. A Ray program connects to the
    cluster NAME at `ray://NAME-head-svc.ray.svc:10001`."""


class Ray(Layer[RaySettings]):
    """Layer for the KubeRay operator and the Ray clusters of the stack file."""

    key = "ray"
    settings_type = RaySettings
    namespace = "ray"
    charts_with_crds_folder = ("kuberay-operator",)

    def values(self) -> Mapping[str, Json]:
        """Return the Helm values of the KubeRay operator, with a standby replica if the cluster has several nodes."""
        operator: dict[str, Json] = {
            "replicas": self.lab.replicas(2),
            "resources": uncapped_resources("50m", "256Mi"),
            "metrics": {"serviceMonitor": {"enabled": self.has_monitoring}},
        }
        return {"kuberay-operator": operator}

    def objects_after_charts(self) -> Sequence[Manifest]:
        """Return the RayClusters."""
        return [
            {
                "apiVersion": "ray.io/v1",
                "kind": "RayCluster",
                "metadata": self.metadata(name),
                "spec": self._cluster(name, cluster),
            }
            for name, cluster in self.settings.clusters.items()
        ]

    def _cluster(self, name: str, cluster: RayClusterSettings) -> Json:
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

    def _template(self, name: str, cluster: RayClusterSettings, role: str, amounts: Json) -> Json:
        arch = self._arch(cluster)
        suffix = "-aarch64" if arch == "arm64" else ""
        image = cluster.image or f"rayproject/ray:{cluster.version}{suffix}"
        pod: dict[str, Json] = {
            "nodeSelector": {"kubernetes.io/arch": arch},
            "topologySpreadConstraints": topology_spread({"ray.io/cluster": name, "ray.io/node-type": role}),
            "containers": [{"name": f"ray-{role}", "image": image, "resources": amounts}],
        }
        return {"spec": pod}

    def _arch(self, cluster: RayClusterSettings) -> str:
        known = {node.arch for node in self.lab.schedulable_nodes}
        return cluster.arch or ("arm64" if known == {"arm64"} else "amd64")

    def findings(self) -> Iterator[Finding]:
        """Yield errors in the workers and the CPU architecture of Ray clusters."""
        known = {node.arch for node in self.lab.schedulable_nodes}
        for name, cluster in self.settings.clusters.items():
            path = ("clusters", name)
            if cluster.workers.min > cluster.workers.max:
                yield (*path, "workers", "min"), "exceeds max", "raise max, or lower min"
            arch = self._arch(cluster)
            if None not in known and arch not in known:
                reason = f"is {arch}, but no untainted node has this architecture"
                yield (*path, "arch"), reason, "set another arch, or correct arch of the nodes in cluster.nodes"
