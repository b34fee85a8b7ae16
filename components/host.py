"""Host: what the platform needs on every machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """Packages of the distribution, and kernel modules."""

    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def __or__(self, other: "Host") -> "Host":
        return Host((*self.packages, *other.packages), (*self.modules, *other.modules))


NOTHING = Host()
