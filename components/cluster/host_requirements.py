"""apt packages, kernel modules and services that platform layers need on the machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.kubernetes.manifest import ComputedSecret
from components.settings.model import SecretRef


@dataclass(frozen=True)
class HostRequirements:
    """apt packages and kernel modules that homelab installs on every machine."""

    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __or__(self, other: "HostRequirements") -> "HostRequirements":
        return HostRequirements((*self.packages, *other.packages), (*self.modules, *other.modules))


NO_REQUIREMENTS = HostRequirements()


@dataclass(frozen=True)
class HostService:
    """A host service: a part of a layer that scripts in `components/scripts` set up on a machine or in the cluster,
    without Helm.

    If `node` is empty, homelab runs the service's scripts on any server with a ready API. homelab runs the scripts in
    `undo` to remove the service. The script `drift_check` prints each difference between the actual state and the state
    that the `run` scripts created. Two services on the same machine must not use the same `drift_check` script. With
    `runs_last`, homelab creates the service after all other parts of the layer, and removes the service first.
    """

    name: str
    node: str
    run: tuple[str, ...]
    undo: tuple[str, ...] = ()
    drift_check: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef | ComputedSecret] = field(default_factory=dict)
    runs_last: bool = False
