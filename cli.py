"""The `homelab` command."""

import typer

from operations.pin import pin
from rehearsal import commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A homelab cluster, described by one stack file.")
app.command()(pin)
app.add_typer(commands.app, name="rehearse")

if __name__ == "__main__":
    app(prog_name="homelab")
