"""`./homelab recovery-token`: prints the server token, which every restore of a snapshot needs."""

import typer

from operations import state
from operations.stack import Stack, StackFile, StackName
from operations.talk import guarded


def recovery_token(stack: StackName = "homelab", config_file: StackFile = None) -> None:
    """Print the K3s server token, which restoring a snapshot requires. Store it outside of the lab."""
    with guarded():
        token = state.secret(Stack(stack, config_file), "cluster-token")
    typer.echo(token)
