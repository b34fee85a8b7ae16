"""Programs of the platform that are built here, from Go modules and Debian packages: they run, others sleep."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.kubernetes.chart import Chart
from rehearsal import images
from rehearsal.artefacts import HOST, Row
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.images import Image, Layout


@dataclass(frozen=True)
class Program:
    """A program that charts of the platform run.

    `charts` are their names. `images` and `chart` look into the folder that the recipe makes; `chart` is the folder of
    the real chart there. Without it the chart stays a stand-in, which runs the program as the real one does; a folder
    without a `Chart.yaml` has files for that stand-in.
    """

    charts: tuple[str, ...]
    recipe: Callable[[], Recipe]
    images: Callable[[Path], tuple[Image, ...]]
    chart: Callable[[Path], Path] | None = None


@dataclass(frozen=True)
class BuiltPrograms:
    """What was built: images, folders of real charts by name, lines of the table that says what is real."""

    layouts: tuple[Layout, ...] = ()
    charts: dict[str, Path] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def build(charts: Iterable[Chart], report: Report, programs: Sequence[Program]) -> BuiltPrograms:
    """Build what `charts` run, as far as `programs` say how; what was built before stays."""
    wanted = {chart.name for chart in charts}
    needed = [program for program in programs if wanted & set(program.charts)]
    folders = {program: obtain(program.recipe(), report) for program in needed}
    real = {
        name: program.chart(folder) for program, folder in folders.items() if program.chart for name in program.charts
    }
    layouts = tuple(lay_out(program, report) for program in needed)
    return BuiltPrograms(layouts, real, tuple(_row(program.recipe()) for program in needed))


def lay_out(program: Program, report: Report) -> Layout:
    """Build a program and pack its images; return the result of an earlier build if the recipe is unchanged."""
    made = program.recipe()
    built = obtain(made, report)

    def make(folder: Path) -> None:
        images.lay_out(program.images(built), folder, HOST)

    recipe = Recipe(f"{made.name}-images", made.version, (made.folder.name, images.REVISION), "packing, seconds", make)
    return Layout(obtain(recipe, report))


def _row(recipe: Recipe) -> Row:
    return Row(f"{recipe.name} {recipe.version}", "built here from its sources", real=True)
