"""The `homelab` command."""

import typer

from operations.bundle import bundle
from operations.changes import changes
from operations.diagram import diagram
from operations.doctor import doctor
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

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A homelab cluster, described by one stack file.")
for verb in (
    init,
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
    app.command()(verb)
app.add_typer(commands.app, name="rehearse")

if __name__ == "__main__":
    app(prog_name="homelab")
