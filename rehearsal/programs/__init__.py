"""Builds programs of the platform and of apps from Go modules and Debian packages. Without Internet access, the
rehearsal runs a process that sleeps in place of every other program."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.kubernetes.chart import Chart
from rehearsal import images
from rehearsal.artefacts import HOST, Row
from rehearsal.cache import Recipe, Report, obtain
from rehearsal.images import Image, Layout, full_name
from rehearsal.registry import repository_of
from rehearsal.shell import RehearsalError


@dataclass(frozen=True)
class WebUi:
    """A program's web UI, which has a recipe of its own; `extent` says which pages the recipe builds."""

    extent: str
    recipe: Callable[[], Recipe]


@dataclass(frozen=True)
class Program:
    """A program that charts of the platform or apps run.

    `charts` contains the names of the charts. `recipe` builds the program in a folder. `images` and `chart` get this
    folder: `images` returns the program's images, and `chart` returns the folder of the original chart. If the folder
    of the chart has no `Chart.yaml`, its files become part of the stand-in chart. If `chart` is None, a stand-in chart
    runs the program as the original chart does. If `web_ui` is set, `images` gets the folder with the built web UI as
    its second argument; the program also runs without a web UI.
    """

    charts: tuple[str, ...]
    recipe: Callable[[], Recipe]
    images: Callable[..., tuple[Image, ...]]
    chart: Callable[[Path], Path] | None = None
    web_ui: WebUi | None = None


@dataclass(frozen=True)
class BuiltPrograms:
    """The result of a build: image layouts, folders of charts by chart name, and rows of the summary table `Real and
    simulated`."""

    layouts: tuple[Layout, ...] = ()
    charts: dict[str, Path] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()


def build(
    charts: Iterable[Chart], report: Report, programs: Sequence[Program], app_images: Collection[str] = ()
) -> BuiltPrograms:
    """Build each program of `programs` that the charts or the apps run, unless the cache already has the program.

    `app_images` contains the names of the images that apps run; their tags do not matter.
    """
    wanted, repositories = {chart.name for chart in charts}, {repository_of(full_name(name)) for name in app_images}
    needed = [program for program in programs if wanted & set(program.charts) or repositories & _repositories(program)]
    folders = {program: obtain(program.recipe(), report) for program in needed}
    real = {
        name: program.chart(folder) for program, folder in folders.items() if program.chart for name in program.charts
    }
    layouts: list[Layout] = []
    rows: list[Row] = []
    for program, folder in folders.items():
        made = program.recipe()
        rows.append(Row(f"{made.name} {made.version}", "built here from its sources", real=True))
        web_ui = _web_ui(made.name, program.web_ui, report, rows) if program.web_ui else None
        layouts.append(_lay_out(program, [folder, web_ui] if web_ui else [folder], report))
    return BuiltPrograms(tuple(layouts), real, tuple(rows))


def _web_ui(program: str, web_ui: WebUi, report: Report, rows: list[Row]) -> Path | None:
    """Build a program's web UI and add a row about the web UI; if the build fails, report the error and return None."""
    try:
        folder = obtain(web_ui.recipe(), report)
    except RehearsalError as error:
        report(f"{program} runs without a web UI, because the build of the web UI failed: {error}")
        rows.append(Row(f"web UI of {program}", "none, because its build failed", real=False))
        return None
    rows.append(Row(f"web UI of {program}", web_ui.extent, real=False))
    return folder


def _repositories(program: Program) -> set[str]:
    """Return the repositories of a program's images, also if the images are not built yet."""
    return {repository_of(full_name(image.name)) for image in program.images(Path())}


def _lay_out(program: Program, folders: Sequence[Path], report: Report) -> Layout:
    """Write an OCI layout with a program's images from `folders`, the results of its recipes, unless the cache has the
    layout."""
    made = program.recipe()

    def make(folder: Path) -> None:
        images.lay_out(program.images(*folders), folder, HOST)

    ingredients = (*(folder.name for folder in folders), images.REVISION)
    return Layout(obtain(Recipe(f"{made.name}-images", made.version, ingredients, "packing, seconds", make), report))
