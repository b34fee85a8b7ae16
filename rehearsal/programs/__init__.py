"""Programs of the platform and of apps that are built here, from Go modules and Debian packages. Others sleep."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.kubernetes.chart import Chart
from rehearsal import images
from rehearsal.artefacts import HOST, Row
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.images import Image, Layout, full_name
from rehearsal.registry import repository_of


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


def build(
    charts: Iterable[Chart], report: Report, programs: Sequence[Program], app_images: Collection[str] = ()
) -> BuiltPrograms:
    """Build what `charts` run, as far as `programs` say how; what was built before stays.

    `app_images` are the images that apps run, with any tag.
    """
    wanted, repositories = {chart.name for chart in charts}, {repository_of(full_name(name)) for name in app_images}
    needed = [program for program in programs if wanted & set(program.charts) or repositories & _repositories(program)]
    folders = {program: obtain(program.recipe(), report) for program in needed}
    real = {
        name: program.chart(folder) for program, folder in folders.items() if program.chart for name in program.charts
    }
    layouts = tuple(_layout(program, report) for program in needed)
    return BuiltPrograms(layouts, real, tuple(_row(program.recipe()) for program in needed))


def _repositories(program: Program) -> set[str]:
    """Return the repositories of a program's images, which need not be built for this."""
    return {repository_of(full_name(image.name)) for image in program.images(Path())}


def _layout(program: Program, report: Report) -> Layout:
    """The images of a program, packed once."""
    made = program.recipe()

    def make(folder: Path) -> None:
        images.lay_out(program.images(made.folder), folder, HOST)

    recipe = Recipe(f"{made.name}-images", made.version, (made.folder.name, images.REVISION), "packing, seconds", make)
    return Layout(obtain(recipe, report))


def _row(recipe: Recipe) -> Row:
    return Row(f"{recipe.name} {recipe.version}", "built here from its sources", real=True)
