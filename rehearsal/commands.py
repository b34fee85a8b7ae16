"""The `./homelab rehearse` commands."""

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

from rehearsal import browser, cleanup, summary
from rehearsal.cache import Report
from rehearsal.lab import Lab
from rehearsal.paths import stacks_with_labs
from rehearsal.pulumi import Engine
from rehearsal.session import Session, apps_on, open_session, require_suitable_computer, timed
from rehearsal.shell import RehearsalError
from stacks.settings import SettingsError

INTERRUPTED = 130
PASS_THROUGH = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(no_args_is_help=True, help="Run a stack's lab on simulated machines on your computer.")
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

Stack = Annotated[str, typer.Option(help="Stack to rehearse: the NAME of the stack file Pulumi.NAME.yaml.")]
Node = Annotated[str, typer.Argument(help="Name of the machine: the node's name, or bastion-N for a bastion.")]
AppStack = Annotated[str, typer.Option("--app", help="Stack of an app, to use instead of the lab's stack.")]
Bundle = Annotated[
    Path | None,
    typer.Option(help="Folder of an air-gap bundle.", exists=True, file_okay=False, resolve_path=True),
]


class Switch(StrEnum):
    """The positions of a simulated machine's power switch."""

    ON = "on"
    OFF = "off"


@app.command()
def up(
    stack: Stack = "homelab",
    bundle: Bundle = None,
    keep_going: Annotated[bool, typer.Option(help="Continue with other resources after a resource fails.")] = False,
) -> None:
    """Create a rehearsed lab: start the machines and run `pulumi up`. If the lab already runs, apply the changes of its
    stack file."""
    lab, report = Lab(stack), _report()
    with _guarded(), lab.locked():
        cleanup.clean(report)
        session = open_session(lab, report, bundle=bundle, apps=apps_on(stack))
        options = ["--continue-on-error"] if keep_going else []
        for engine in (session.engine, *session.apps):
            with timed(session.seconds, f"pulumi up {engine.stack}"):
                code = engine.run("up", "--yes", "--skip-preview", "--suppress-outputs", *options)
            if code:
                errors.print(
                    f"`pulumi up` exited with code {code}; fix the cause, then run the command again.", style="red"
                )
                raise typer.Exit(code)
            session.slowest[engine.stack] = summary.slowest_resources(engine.event_log)
        for engine in (session.engine, *session.apps):
            _again(session, engine)
        summary.show(console, session)


def _again(session: Session, engine: Engine) -> None:
    """Run `pulumi up` and `pulumi preview` again, record their durations, and fail if Pulumi plans changes."""
    with timed(session.seconds, f"second pulumi up {engine.stack}"):
        code = engine.run("up", "--yes", "--skip-preview", "--expect-no-changes", quiet=True)
    with timed(session.seconds, f"pulumi preview {engine.stack}"):
        code = engine.run("preview", "--expect-no-changes", quiet=True) or code
    if code:
        advice = "inspect the changes with `./homelab rehearse pulumi -- preview`"
        errors.print(f"A second `pulumi up` of {engine.stack} failed or planned changes: {advice}.", style="red")
        raise typer.Exit(code)


@app.command(context_settings=PASS_THROUGH)
def pulumi(context: typer.Context, stack: Stack = "homelab", app_stack: AppStack = "") -> None:
    """Run a `pulumi` command on the stack of the rehearsed lab, for example `./homelab rehearse pulumi -- preview`."""
    lab = Lab(stack)
    with _guarded(), lab.locked():
        raise typer.Exit(_engine(lab, app_stack).run(*context.args))


@app.command(context_settings=PASS_THROUGH)
def run(context: typer.Context, stack: Stack = "homelab", app_stack: AppStack = "") -> None:
    """Run another `./homelab` command on the rehearsed lab, for example `./homelab rehearse run doctor`."""
    lab = Lab(stack)
    with _guarded(), lab.locked():
        raise typer.Exit(_engine(lab, app_stack).start_homelab(*context.args).wait())


def _engine(lab: Lab, app_stack: str) -> Engine:
    """Return the engine of an app stack on the lab, or without `app_stack` the engine of the lab's stack."""
    if not app_stack:
        return open_session(lab, _quiet).engine
    engines = {engine.stack: engine for engine in open_session(lab, _quiet, apps=apps_on(lab.stack)).apps}
    if app_stack not in engines:
        names = ", ".join(engines) or "none"
        raise RehearsalError(f"The lab of {lab.stack} has no app stack {app_stack} (it has: {names}).")
    return engines[app_stack]


@app.command(context_settings=PASS_THROUGH)
def kubectl(context: typer.Context, stack: Stack = "homelab") -> None:
    """Run `kubectl` on the rehearsed lab's cluster, for example `./homelab rehearse kubectl -- get pods -A`."""
    with _guarded():
        command, environment = _existing(stack).kubectl_command(*context.args)
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command(context_settings=PASS_THROUGH)
def ssh(context: typer.Context, node: Node, stack: Stack = "homelab") -> None:
    """Open a shell on a machine, or run a command on the machine: `./homelab rehearse ssh pi-1 -- uptime`."""
    with _guarded():
        command = _existing(stack).ssh_command(node, *context.args, terminal=sys.stdin.isatty())
        raise typer.Exit(subprocess.run(command, check=False).returncode)


@app.command("open")
def open_(
    host: Annotated[str, typer.Argument(help="Host of the web UI, or the first label of the host.")] = "",
    stack: Stack = "homelab",
    port: Annotated[int, typer.Option(help="Local port to forward to the web UI.")] = 8443,
    once: Annotated[
        bool, typer.Option("--once", help="Check that the web UI answers, print instructions, and exit.")
    ] = False,
) -> None:
    """Forward a local port to a web UI of the lab until Ctrl-C; without HOST, list the web UIs."""
    with _guarded():
        browser.show(console, _existing(stack), host, port, once=once)


@app.command()
def power(switch: Switch, node: Node, stack: Stack = "homelab") -> None:
    """Cut a simulated machine's power, or restore the power and wait until the machine accepts SSH logins."""
    with _guarded(), _existing(stack).locked():
        if switch is Switch.ON:
            Lab(stack).power_on(node)
        else:
            Lab(stack).power_off(node)
        console.print(f"{node} is {switch}")


@app.command()
def status(stack: Stack = "homelab") -> None:
    """List the simulated machines with their power state, SSH login and memory use."""
    with _guarded():
        summary.status(console, _existing(stack))


@app.command()
def down(
    stack: Stack = "homelab",
    every: Annotated[bool, typer.Option("--all", help="Remove the labs of all stacks.")] = False,
    force: Annotated[bool, typer.Option(help="First kill all processes in the lab's network namespace.")] = False,
) -> None:
    """Stop the simulated machines, and delete the rehearsed lab, including its Pulumi state."""
    with _guarded():
        for name in stacks_with_labs() if every else [stack]:
            lab = Lab(name)
            if force:
                lab.netns.delete()
            with lab.locked():
                lab.remove()
            console.print(f"the lab of {name} was removed")
        cleanup.clean(_report())


def _existing(stack: str) -> Lab:
    lab = Lab(stack)
    if not lab.exists:
        raise RehearsalError(
            f"The stack {stack} has no rehearsed lab: create the lab with `./homelab rehearse up --stack {stack}`."
        )
    return lab


def _report() -> Report:
    start = time.monotonic()
    return lambda message: errors.print(f"[dim]{time.monotonic() - start:6.1f} s[/dim]  {message}")


def _quiet(_: str) -> None:
    """Ignore a progress message; commands that print only the output of another program use this callback."""


@contextmanager
def _guarded() -> Iterator[None]:
    """Handle expected errors and Ctrl-C: print a message and exit with an error code."""
    try:
        require_suitable_computer()
        yield
    except (RehearsalError, SettingsError) as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        errors.print("interrupted: `./homelab rehearse up` continues, and `./homelab rehearse down` deletes the lab")
        raise typer.Exit(INTERRUPTED) from None
