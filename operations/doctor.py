"""`./homelab doctor`: looks at every machine, the cluster and its layers, and says what to mend."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from operations import health
from operations.findings import Report, State, any_wrong
from operations.stack import Stack, StackError, StackFile, StackName
from operations.talk import Console
from provider.errors import TaskError
from stacks.settings import Settings, SettingsError

FINDINGS, IMPOSSIBLE = 1, 2
_COLUMNS = ("system", "arch", "disk", "K3s")
_STYLES = {State.FINE: "green", State.NOTE: "yellow", State.WRONG: "red"}


def doctor(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all findings as JSON.")] = False,
) -> None:
    """Look at every machine, the cluster and its layers; nothing is changed.

    Ends with 0 if nothing is to mend, with 1 if something is, and with 2 if it could not look.
    """
    try:
        reports = _look(Stack(stack, config_file))
    except (SettingsError, StackError, TaskError) as error:
        errors = Console(stderr=True)
        errors.print(f"{error}\nNothing was looked at.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(IMPOSSIBLE) from None
    if as_json:
        typer.echo(json.dumps({"stack": stack, "reports": [each.as_data() for each in reports]}, indent=2))
    else:
        _show(Console(), reports)
    if any_wrong(reports):
        raise typer.Exit(FINDINGS)


def _look(stack: Stack) -> list[Report]:
    settings = Settings.read(stack.file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        asking = progress.add_task("machines", total=len(settings.cluster.nodes))
        found = asyncio.run(health.of_machines(settings, stack, lambda: progress.advance(asking)))
        progress.add_task("the cluster and its layers", total=None)
        return [*found, *health.of_charts(settings), *health.of_cluster(settings, stack)]


def _show(console: Console, reports: Sequence[Report]) -> None:
    machines = [each for each in reports if each.kind == "machine"]
    console.print(_machines(machines))
    others = [each for each in reports if each.kind != "machine"]
    console.print()
    console.print(_others(others))
    to_say = [(each, finding) for each in reports for finding in each.findings if finding.state is not State.FINE]
    for each, finding in to_say:
        style = _STYLES[finding.state]
        console.print()
        console.print(f"{each.name}, {finding.check}: {finding.says}", style=style, markup=False, soft_wrap=True)
        if finding.fix:
            console.print(f"  fix: {finding.fix}", markup=False, soft_wrap=True)
    count = sum(finding.state is State.WRONG for _, finding in to_say)
    console.print()
    console.print(f"{count} to mend." if count else "Nothing is to mend.")


def _machines(machines: Sequence[Report]) -> Table:
    table = Table("machine", "", "checks", *_COLUMNS, box=None, pad_edge=False)
    for each in machines:
        states = {finding.check: finding.state for finding in each.findings}
        cells = [_cell(each.says(name).partition(" (")[0], states.get(name, State.FINE)) for name in _COLUMNS]
        table.add_row(each.name, _cell(each.state, each.state), _fine(each), *cells)
    return table


def _others(reports: Sequence[Report]) -> Table:
    table = Table("cluster, layers", "", "checks", "looked at", box=None, pad_edge=False)
    for each in reports:
        names = [finding.check for finding in each.findings]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        table.add_row(f"{each.kind} {each.name}", _cell(each.state, each.state), _fine(each), shown)
    return table


def _fine(report: Report) -> str:
    """How many of the checks found nothing."""
    return f"{sum(finding.state is State.FINE for finding in report.findings)}/{len(report.findings)}"


def _cell(text: str, state: State) -> Text:
    return Text(text or "-", style=_STYLES[state] if text else "")
