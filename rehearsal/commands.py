"""The `homelab rehearse` commands."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from rehearsal import browser, summary
from rehearsal.cache import Report
from rehearsal.lab import Lab
from rehearsal.places import stacks
from rehearsal.pulumi import Engine
from rehearsal.session import Session, apps_on, open_session, refuse_unfit_computer, timed
from rehearsal.shell import RehearsalError
from stacks.settings import SettingsError

INTERRUPTED = 130
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(no_args_is_help=True, help="The stack on machines simulated on this computer.")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Stack = Annotated[str, typer.Option(help="Stack to rehearse: the NAME in Pulumi.NAME.yaml.")]
Bundle = Annotated[
    Path | None,
    typer.Option(
        help="Folder with K3s' release files, under VERSION/.", exists=True, file_okay=False, resolve_path=True
    ),
]


class Switch(StrEnum):
    """Positions of a power switch."""

    ON = "on"
    OFF = "off"


@app.command()
def up(
    stack: Stack = "homelab",
    bundle: Bundle = None,
    keep_going: Annotated[bool, typer.Option(help="Go on with other resources when one fails.")] = False,
) -> None:
    """Make the machines and run `pulumi up` on them; on a lab that runs, do what is new."""
    lab = Lab(stack)
    with _guarded(), lab.locked():
        session = open_session(lab, _report(), bundle=bundle, apps=apps_on(stack))
        options = ["--continue-on-error"] if keep_going else []
        for engine in (session.engine, *session.apps):
            with timed(session.seconds, f"pulumi up {engine.stack}"):
                code = engine.run("up", "--yes", "--skip-preview", "--suppress-outputs", *options)
            if code:
                errors.print(f"pulumi up ended with {code}; the lab goes on: mend, then `up` again.", style="red")
                raise typer.Exit(code)
            session.slowest[engine.stack] = summary.slowest(engine.event_log)
        for engine in (session.engine, *session.apps):
            _again(session, engine)
        summary.show(console, session)


def _again(session: Session, engine: Engine) -> None:
    """Run the same twice more, which must change nothing, and note how long that takes."""
    with timed(session.seconds, f"second pulumi up {engine.stack}"):
        code = engine.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    with timed(session.seconds, f"pulumi preview {engine.stack}"):
        code = engine.run("preview", "--expect-no-changes", quiet=True) or code
    if code:
        errors.print(f"A second run of {engine.stack} is not without changes: see its preview.", style="red")
        raise typer.Exit(code)


@app.command(context_settings=PASS_ON)
def pulumi(
    context: typer.Context,
    stack: Stack = "homelab",
    app_stack: Annotated[str, typer.Option("--app", help="Stack of an app on it, instead.")] = "",
) -> None:
    """Run any `pulumi` command on the rehearsal's stack, with the stack file as it is now."""
    lab = Lab(stack)
    with _guarded(), lab.locked():
        session = open_session(lab, _quiet, apps=apps_on(stack))
        engines = {engine.stack: engine for engine in (session.engine, *session.apps)}
        if (wanted := app_stack or stack) not in engines:
            raise RehearsalError(
                f"No app {wanted} is on {stack} (there are: {', '.join(list(engines)[1:]) or 'none'})."
            )
        raise typer.Exit(engines[wanted].run(*context.args))


@app.command(context_settings=PASS_ON)
def run(context: typer.Context, stack: Stack = "homelab") -> None:
    """Run another command of `./homelab` on the lab, such as `doctor`."""
    lab = Lab(stack)
    with _guarded(), lab.locked():
        session = open_session(lab, _quiet)
        raise typer.Exit(session.engine.homelab(*context.args).wait())


@app.command(context_settings=PASS_ON)
def kubectl(context: typer.Context, stack: Stack = "homelab") -> None:
    """Run `kubectl` through the cluster's own endpoint."""
    with _guarded():
        command, environment = _existing(stack).kubectl_command(*context.args)
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command(context_settings=PASS_ON)
def ssh(context: typer.Context, node: str, stack: Stack = "homelab") -> None:
    """Open a shell on a machine, or run a command there."""
    with _guarded():
        command = _existing(stack).ssh_command(node, *context.args, terminal=sys.stdin.isatty())
        raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command("open")
def open_(
    host: Annotated[str, typer.Argument(help="Its name, or the first part of it.")] = "",
    stack: Stack = "homelab",
    port: Annotated[int, typer.Option(help="The port of this computer that leads to it.")] = 8443,
    once: Annotated[bool, typer.Option("--once", help="See whether it answers, and end.")] = False,
) -> None:
    """Make a page of the lab reachable from this computer's browser; without HOST, list them."""
    with _guarded():
        browser.show(console, _existing(stack), host, port, once=once)


@app.command()
def power(switch: Switch, node: str, stack: Stack = "homelab") -> None:
    """Cut a machine's power, or give it back."""
    with _guarded(), _existing(stack).locked():
        if switch is Switch.ON:
            Lab(stack).power_on(node)
        else:
            Lab(stack).power_off(node)
        console.print(f"{node} is {switch}")


@app.command()
def status(stack: Stack = "homelab") -> None:
    """Show the machines."""
    with _guarded():
        summary.status(console, _existing(stack))


@app.command()
def down(
    stack: Stack = "homelab",
    every: Annotated[bool, typer.Option("--all", help="The labs of all stacks.")] = False,
    force: Annotated[bool, typer.Option(help="End what another command, or its remains, still does.")] = False,
) -> None:
    """End the machines and remove everything of the lab, its Pulumi state included."""
    with _guarded():
        for name in stacks() if every else [stack]:
            lab = Lab(name)
            if force:
                lab.namespace.delete()
            with lab.locked():
                lab.stop()
            console.print(f"the lab of {name} is gone")


def _existing(stack: str) -> Lab:
    lab = Lab(stack)
    if not lab.exists:
        raise RehearsalError(f"There is no lab of {stack}: make one with `./homelab rehearse up --stack {stack}`.")
    return lab


def _report() -> Report:
    began = time.monotonic()
    return lambda message: errors.print(f"[dim]{time.monotonic() - began:6.1f} s[/dim]  {message}")


def _quiet(_: str) -> None:
    """Say nothing: what is asked for is another program's output."""


@contextmanager
def _guarded() -> Iterator[None]:
    """Turn what stops a rehearsal into a message and an exit code."""
    try:
        refuse_unfit_computer()
        yield
    except (RehearsalError, SettingsError) as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted; the lab is as it was left: `up` goes on, `down` removes it")
        raise typer.Exit(INTERRUPTED) from None
