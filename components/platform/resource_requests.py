"""Total resource requests of all layers, which homelab calculates from Helm values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from components.kubernetes.manifest import Json
from components.settings.quantities import mebibytes


@dataclass(frozen=True)
class ResourceRequests:
    """Resource requests of pods: CPU in millicores, and memory in MiB."""

    cpu_millicores: int = 0
    memory_mib: int = 0

    def __add__(self, other: "ResourceRequests") -> "ResourceRequests":
        return ResourceRequests(self.cpu_millicores + other.cpu_millicores, self.memory_mib + other.memory_mib)


def total_requests(values: Json) -> ResourceRequests:
    """Return the sum of all resource requests in Helm values, each multiplied by `replicas` or `replicaCount`.

    A DaemonSet counts as one pod.
    """
    return sum(_requests_in(values), ResourceRequests())


def _requests_in(values: Json) -> Iterator[ResourceRequests]:
    if not isinstance(values, Mapping):
        return
    for key, inner in values.items():
        if key == "resources" and isinstance(inner, Mapping):
            yield from [sum(map(_requests_of, _per_program(inner)), ResourceRequests())] * _replicas(values)
        else:
            yield from _requests_in(inner)


def _per_program(resources: Mapping[str, Json]) -> list[Json]:
    """Return the Kubernetes `resources` of each container from the `resources` in Helm values.

    In some charts, `resources` maps the names of several containers to their resources.
    """
    return [resources] if "requests" in resources else list(resources.values())


def _requests_of(resources: Json) -> ResourceRequests:
    requests = (resources.get("requests") if isinstance(resources, Mapping) else None) or {}
    return ResourceRequests(_cpu(str(requests.get("cpu", "0"))), _memory(str(requests.get("memory", "0Mi"))))


def _replicas(values: Mapping[str, Json]) -> int:
    replicas = values.get("replicas", values.get("replicaCount", 1))
    return replicas if isinstance(replicas, int) else 1


def _cpu(text: str) -> int:
    return int(text[:-1]) if text.endswith("m") else int(float(text) * 1000)


def _memory(text: str) -> int:
    return mebibytes(text) if re.fullmatch(r"\d+(Ki|Mi|Gi|Ti)", text) else 0
