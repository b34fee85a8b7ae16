"""Host: what the platform needs on machines themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.manifest import Made
from components.model import SecretRef


@dataclass(frozen=True)
class Host:
    """Packages of the distribution, and kernel modules: on every machine."""

    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __or__(self, other: "Host") -> "Host":
        return Host((*self.packages, *other.packages), (*self.modules, *other.modules))


NOTHING = Host()


@dataclass(frozen=True)
class Service:
    """What a layer sets up on one machine, beside K3s, by scripts of `components/scripts`.

    Without a `node` it is in the cluster, and set up from a server that serves. `undo` takes it away. `probe` prints
    what differs from what was set up; no other service of the machine has it. What is `last` is set up after
    everything else of its layer, and undone before anything else of it.
    """

    name: str
    node: str
    run: tuple[str, ...]
    undo: tuple[str, ...] = ()
    probe: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef | Made] = field(default_factory=dict)
    last: bool = False
