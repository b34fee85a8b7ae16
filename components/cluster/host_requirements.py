"""Requirements of the platform on the machines themselves."""

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
    """A part of a layer that scripts of `components/scripts` set up outside Helm, on one machine or in the cluster.

    Without a `node`, the scripts run on any ready server. `undo` lists the scripts that remove the service. The script
    `drift_check` prints differences from the state set up. Services of one machine must not share a `drift_check`.
    A service with `runs_last` is set up after everything else in its layer, and removed before everything else.
    """

    name: str
    node: str
    run: tuple[str, ...]
    undo: tuple[str, ...] = ()
    drift_check: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef | ComputedSecret] = field(default_factory=dict)
    runs_last: bool = False
