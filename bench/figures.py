"""Figures: several runs of the same, told by their median and spread, beside what they are compared with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

HEAD = ["| What | Median | Spread | Runs | Ratio | Goal |", "| --- | --- | --- | --- | --- | --- |"]


@dataclass(frozen=True)
class Figure:
    """One line of the table; `beside` names the line that it is a multiple of."""

    what: str
    seconds: tuple[float, ...]
    beside: str = ""
    goal: float | None = None
    """Multiple, or without `beside` seconds, that it should not exceed."""

    @property
    def median(self) -> float:
        """The run in the middle."""
        return median(self.seconds)

    @property
    def spread(self) -> float:
        """Seconds between the fastest run and the slowest."""
        return max(self.seconds) - min(self.seconds)

    def ratio(self, all_: Sequence["Figure"]) -> float | None:
        """How many times the line that it stands beside; None without one."""
        other = next((each for each in all_ if each.what == self.beside), None)
        return self.median / other.median if other else None

    def met(self, all_: Sequence["Figure"]) -> bool | None:
        """Whether the goal is met; None without one, or where there is nothing to compare with."""
        found = self.ratio(all_) if self.beside else self.median
        return None if self.goal is None or found is None else found <= self.goal


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table."""
    return "\n".join([*HEAD, *(_row(each, figures) for each in figures)])


def _row(figure: Figure, all_: Sequence[Figure]) -> str:
    ratio, met = figure.ratio(all_), figure.met(all_)
    unit = " ×" if figure.beside else " s"
    goal = "" if figure.goal is None else f"{figure.goal:g}{unit}" + {True: ", met", False: ", missed", None: ""}[met]
    times = "" if ratio is None else f"{ratio:.2f} × {figure.beside}"
    cells = (figure.what, f"{figure.median:.1f} s", f"{figure.spread:.1f} s", str(len(figure.seconds)), times, goal)
    return f"| {' | '.join(cells)} |"


def read(file: Path) -> list[Figure]:
    """The figures of a file; none if there is no file."""
    found = json.loads(file.read_text())["figures"] if file.exists() else []
    return [Figure(**(each | {"seconds": tuple(each["seconds"])})) for each in found]


def write(file: Path, figures: Iterable[Figure], machine: Mapping[str, object]) -> None:
    """Write figures, and the machine that they were measured on."""
    described = {"machine": dict(machine), "figures": [asdict(each) for each in figures]}
    file.write_text(json.dumps(described, indent=2) + "\n")


def renewed(old: Sequence[Figure], new: Sequence[Figure]) -> list[Figure]:
    """The old figures with the new ones in their places, and at the end those that were not there."""
    by_name = {each.what: each for each in (*old, *new)}
    return list(by_name.values())
