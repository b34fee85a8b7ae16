"""Results of the benchmarks: the median and spread of several runs, and the ratio to a baseline."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HEAD = ["| What | Median | Spread | Runs | Ratio | Goal |", "| --- | --- | --- | --- | --- | --- |"]


@dataclass(frozen=True)
class Figure:
    """One row of the benchmark results; `baseline` is the name of the row with which this row is compared."""

    name: str
    seconds: tuple[float, ...]
    baseline: str = ""
    goal: float | None = None
    """Maximum ratio to the baseline that meets the goal; for a row without a baseline, the maximum median in seconds.
    """

    @property
    def median(self) -> float:
        """Median duration in seconds."""
        return median(self.seconds)

    @property
    def spread(self) -> float:
        """Difference between the durations of the slowest and the fastest run, in seconds."""
        return max(self.seconds) - min(self.seconds)

    def ratio(self, all_: Sequence["Figure"]) -> float | None:
        """Return the ratio of this row's median to the baseline's median, or None if the baseline is missing."""
        other = next((figure for figure in all_ if figure.name == self.baseline), None)
        return self.median / other.median if other else None

    def goal_met(self, all_: Sequence["Figure"]) -> bool | None:
        """Return whether this benchmark result meets its goal, or None if the goal or the baseline is missing."""
        value = self.ratio(all_) if self.baseline else self.median
        return None if self.goal is None or value is None else value <= self.goal


def table(figures: Sequence[Figure]) -> str:
    """Render the benchmark results as a Markdown table."""
    return "\n".join([*HEAD, *(_row(figure, figures) for figure in figures)])


def _row(figure: Figure, all_: Sequence[Figure]) -> str:
    ratio, met = figure.ratio(all_), figure.goal_met(all_)
    unit = " ×" if figure.baseline else " s"
    goal = "" if figure.goal is None else f"{figure.goal:g}{unit}" + {True: ", met", False: ", missed", None: ""}[met]
    times = "" if ratio is None else f"{ratio:.2f} × {figure.baseline}"
    cells = (figure.name, f"{figure.median:.1f} s", f"{figure.spread:.1f} s", str(len(figure.seconds)), times, goal)
    return f"| {' | '.join(cells)} |"


def read(file: Path) -> list[Figure]:
    """Read benchmark results from a JSON file; return an empty list if the file does not exist."""
    rows = json.loads(file.read_text())["figures"] if file.exists() else []
    return [Figure(row["what"], tuple(row["seconds"]), row["beside"], row["goal"]) for row in rows]


def write(file: Path, figures: Iterable[Figure], machine: Mapping[str, object]) -> None:
    """Write benchmark results to a JSON file, with a description of the host that ran the benchmarks."""
    rows = [
        {"what": figure.name, "seconds": figure.seconds, "beside": figure.baseline, "goal": figure.goal}
        for figure in figures
    ]
    file.write_text(json.dumps({"machine": dict(machine), "figures": rows}, indent=2) + "\n")


def merge(old: Sequence[Figure], new: Sequence[Figure]) -> list[Figure]:
    """Merge benchmark results; a new result replaces the old result with the same name."""
    by_name = {figure.name: figure for figure in (*old, *new)}
    return list(by_name.values())
