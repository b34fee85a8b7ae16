"""`make bench`: runs the benchmarks on simulated machines and prints the results as a table."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.figures import Figure, merge, read, table, write
from bench.suites import MEASUREMENTS, Part
from rehearsal.session import require_suitable_computer
from rehearsal.shell import RehearsalError

errors = Console(stderr=True, highlight=False)

Parts = Annotated[
    list[Part] | None, typer.Option("--only", help="Part of the benchmark to run; repeatable. Default: all parts.")
]
Runs = Annotated[int, typer.Option(min=1, help="Number of runs of each measurement.")]
Json = Annotated[
    Path | None, typer.Option("--json", dir_okay=False, help="JSON file to update with the measured durations.")
]


def main(only: Parts = None, runs: Runs = 3, file: Json = None) -> None:
    """Run the benchmarks on simulated machines, and print the results as a Markdown table. Needs Linux and root."""
    figures = read(file) if file else []
    try:
        require_suitable_computer()
        for part in only or Part:
            errors.print(f"measuring {part}")
            for figure in MEASUREMENTS[part](runs):
                errors.print(f"{figure.name}: {figure.median:.1f} s")
                figures = merge(figures, [figure])
                _keep(figures, file)
    except RehearsalError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    print(table(figures))


def _keep(figures: list[Figure], file: Path | None) -> None:
    if file:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
        machine = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "processors": os.cpu_count(), "memoryGiB": memory}
        write(file, figures, machine | {"architecture": platform.machine()})


if __name__ == "__main__":
    typer.run(main)
