"""Parses the output of `components/scripts/node/collect-facts.sh`."""

from dataclasses import dataclass
from typing import NamedTuple


class Disk(NamedTuple):
    """A file system on a machine to which K3s writes."""

    path: str
    free_mib: int
    used_percent: int


@dataclass(frozen=True)
class Facts:
    """The facts about one machine, which the script `node/collect-facts.sh` collected on the machine."""

    lines: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, output: str) -> "Facts":
        """Parse lines of the form `name=value`; a name can occur more than once."""
        lines: dict[str, tuple[str, ...]] = {}
        for line in output.splitlines():
            name, equals, value = line.partition("=")
            if equals:
                lines[name] = (*lines.get(name, ()), value.strip())
        return cls(lines)

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a fact."""
        return self.lines.get(name, ())

    def text(self, name: str) -> str:
        """Return the first value that the script printed for a fact, or an empty string."""
        return next(iter(self.all(name)), "")

    def is_yes(self, name: str) -> bool:
        """Return whether the value of a fact is `yes`."""
        return self.text(name) == "yes"

    @property
    def complete(self) -> bool:
        """Whether the script `node/collect-facts.sh` ran to its end."""
        return self.is_yes("end")

    @property
    def ports(self) -> dict[str, str]:
        """The program that listens on each checked port, such as `k3s-server` for `tcp/6443`."""
        return {port: program for port, _, program in (line.partition(" ") for line in self.all("port"))}

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The checked file systems."""
        rows = (line.rsplit(" ", 2) for line in self.all("disk"))
        return tuple(Disk(row[0], int(row[1]), int(row[2])) for row in rows if len(row) == 3)
