"""The `homelab` command line."""

import typer

from operations.app import commands as app_commands
from operations.bundle import bundle
from operations.changes import changes
from operations.diagram import diagram
from operations.doctor import doctor
from operations.first_boot.command import cloud_init
from operations.init import init
from operations.kubeconfig import kubeconfig
from operations.nomad import nomad
from operations.pin import pin
from operations.platform import platform
from operations.recovery import recovery_token
from operations.restore import restore
from operations.snapshot import snapshot
from operations.trust import trust
from rehearsal import commands

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Build and operate a K3s lab from one stack file.")
for command in (
    init,
    cloud_init,
    trust,
    pin,
    doctor,
    kubeconfig,
    platform,
    diagram,
    changes,
    bundle,
    snapshot,
    restore,
    recovery_token,
    nomad,
):
    app.command()(command)
app.add_typer(app_commands.app, name="app")
app.add_typer(commands.app, name="rehearse")

if __name__ == "__main__":
    app(prog_name="homelab")
