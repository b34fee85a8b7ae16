"""`./homelab recovery-token`: prints the server token, with which snapshots are restored."""

import typer

from operations import state
from operations.stack import Stack, StackError, StackFile, StackName
from operations.talk import guarded


def recovery_token(stack: StackName = "homelab", config_file: StackFile = None) -> None:
    """Print the server token. Without it no snapshot can be restored: keep it outside of the lab."""
    with guarded():
        token = state.secret(Stack(stack, config_file), "cluster-token")
        if token is None:
            raise StackError(f"Stack {stack} has no server token yet: run `pulumi up` first.")
    typer.echo(token)
