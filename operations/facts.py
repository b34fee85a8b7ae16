"""What `components/scripts/doctor.sh` prints, as values."""

from dataclasses import dataclass
from typing import NamedTuple


class Disk(NamedTuple):
    """A file system that K3s writes to."""

    path: str
    free: int
    """In MiB."""
    used: int
    """Percent."""


@dataclass(frozen=True)
class Facts:
    """One machine as it said it is."""

    lines: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, output: str) -> "Facts":
        """Read lines `name=value`; a name may come more than once."""
        lines: dict[str, tuple[str, ...]] = {}
        for line in output.splitlines():
            name, equals, value = line.partition("=")
            if equals:
                lines[name] = (*lines.get(name, ()), value.strip())
        return cls(lines)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name."""
        return self.lines.get(name, ())

    def text(self, name: str) -> str:
        """The value of a name, empty if there is none."""
        return next(iter(self.all(name)), "")

    def yes(self, name: str) -> bool:
        """Whether the machine said yes."""
        return self.text(name) == "yes"

    @property
    def whole(self) -> bool:
        """Whether the script came to its end."""
        return self.yes("end")

    @property
    def ports(self) -> dict[str, str]:
        """Who listens at the ports that were asked about, `tcp/6443` -> the program."""
        return {port: who for port, _, who in (line.partition(" ") for line in self.all("port"))}

    @property
    def disks(self) -> tuple[Disk, ...]:
        """The file systems."""
        rows = (line.rsplit(" ", 2) for line in self.all("disk"))
        return tuple(Disk(row[0], int(row[1]), int(row[2])) for row in rows if len(row) == 3)
