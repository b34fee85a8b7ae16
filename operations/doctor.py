"""`./homelab doctor`: checks every machine, the cluster and its layers, and prints problems with their fixes."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from operations import health_checks
from operations.console import Console
from operations.findings import Report, State, any_wrong
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from provider.errors import TaskError
from stacks.settings import LabStack, SettingsError

EXIT_PROBLEMS, EXIT_NOT_RUN = 1, 2
_COLUMNS = ("system", "arch", "disk", "K3s")
_STYLES = {State.FINE: "green", State.NOTE: "yellow", State.WRONG: "red"}


def doctor(
    stack: StackName = "homelab",
    config_file: StackFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all findings as JSON.")] = False,
) -> None:
    """Check all machines, the cluster and its layers, and print a fix for each problem. Changes nothing.

    Exit code: 0 without problems, 1 with problems, 2 if the checks could not run.
    """
    try:
        reports = _run_checks(Stack(stack, config_file))
    except (SettingsError, StackError, TaskError) as error:
        errors = Console(stderr=True)
        errors.print(f"{error}\nNo checks ran.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_NOT_RUN) from None
    if as_json:
        typer.echo(json.dumps({"stack": stack, "reports": [report.as_dict() for report in reports]}, indent=2))
    else:
        _show(Console(), reports)
    if any_wrong(reports):
        raise typer.Exit(EXIT_PROBLEMS)


def _run_checks(stack: Stack) -> list[Report]:
    settings = LabStack.read(stack.file)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("machines", total=len(settings.cluster.nodes))
        machines = asyncio.run(health_checks.machine_reports(settings, stack, lambda: progress.advance(bar)))
        progress.add_task("the cluster and its layers", total=None)
        offline = [*health_checks.settings_reports(settings), *health_checks.chart_reports(settings)]
        return [*machines, *offline, *health_checks.cluster_reports(settings, stack)]


def _show(console: Console, reports: Sequence[Report]) -> None:
    machines = [report for report in reports if report.kind == "machine"]
    console.print(_machines(machines))
    others = [report for report in reports if report.kind != "machine"]
    console.print()
    console.print(_others(others))
    issues = [(report, finding) for report in reports for finding in report.findings if finding.state is not State.FINE]
    for report, finding in issues:
        style = _STYLES[finding.state]
        console.print()
        console.print(f"{report.name}, {finding.check}: {finding.says}", style=style, markup=False, soft_wrap=True)
        if finding.fix:
            console.print(f"  fix: {finding.fix}", markup=False, soft_wrap=True)
    count = sum(finding.state is State.WRONG for _, finding in issues)
    console.print()
    console.print(f"{count} to fix." if count else "Nothing to fix.")


def _machines(machines: Sequence[Report]) -> Table:
    table = Table("machine", "", "checks", *_COLUMNS, box=None, pad_edge=False)
    for report in machines:
        states = {finding.check: finding.state for finding in report.findings}
        cells = [_cell(report.says(name).partition(" (")[0], states.get(name, State.FINE)) for name in _COLUMNS]
        table.add_row(report.name, _cell(report.state, report.state), _passed(report), *cells)
    return table


def _others(reports: Sequence[Report]) -> Table:
    table = Table("cluster, layers", "", "checks", "checked", box=None, pad_edge=False)
    for report in reports:
        names = [finding.check for finding in report.findings]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        table.add_row(f"{report.kind} {report.name}", _cell(report.state, report.state), _passed(report), shown)
    return table


def _passed(report: Report) -> str:
    """Return the number of passed checks and the number of all checks, such as `11/12`."""
    return f"{sum(finding.state is State.FINE for finding in report.findings)}/{len(report.findings)}"


def _cell(text: str, state: State) -> Text:
    return Text(text or "-", style=_STYLES[state] if text else "")
