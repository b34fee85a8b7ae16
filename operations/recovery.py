"""`./homelab recovery-token`: prints the server token, with which snapshots are restored."""

import typer

from operations import state
from operations.stack import Stack, StackFile, StackName
from operations.talk import guarded


def recovery_token(stack: StackName = "homelab", config_file: StackFile = None) -> None:
    """Print the server token. Without it no snapshot can be restored: keep it outside of the lab."""
    with guarded():
        token = state.secret(Stack(stack, config_file), "cluster-token")
    typer.echo(token)
