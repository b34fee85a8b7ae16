"""Packages, kernel modules and services that layers need on the machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.kubernetes.manifest import ComputedSecret
from components.settings.model import SecretRef


@dataclass(frozen=True)
class HostRequirements:
    """Distribution packages and kernel modules that every machine needs."""

    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __or__(self, other: "HostRequirements") -> "HostRequirements":
        return HostRequirements((*self.packages, *other.packages), (*self.modules, *other.modules))


NO_REQUIREMENTS = HostRequirements()


@dataclass(frozen=True)
class HostService:
    """A part of a layer that scripts in `components/scripts` set up without Helm, on a machine or in the cluster.

    If `node` is empty, the scripts run on any ready server. The scripts in `undo` remove the service. The script
    `drift_check` prints how the actual state differs from the state that the `run` scripts set up. Two services of one
    machine need different `drift_check` scripts. With `runs_last`, homelab sets up the service after all other parts of
    the layer, and removes the service before all other parts of the layer.
    """

    name: str
    node: str
    run: tuple[str, ...]
    undo: tuple[str, ...] = ()
    drift_check: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef | ComputedSecret] = field(default_factory=dict)
    runs_last: bool = False
