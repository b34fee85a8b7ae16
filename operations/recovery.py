"""`./homelab recovery-token`: prints the K3s server token, which every restore of a snapshot needs."""

import typer

from operations import task_state
from operations.console import report_errors
from operations.pulumi_stack import Stack, StackFile, StackName


def recovery_token(stack: StackName = "homelab", config_file: StackFile = None) -> None:
    """Print the K3s server token, which every restore of a snapshot needs. Store the token outside of the lab."""
    with report_errors():
        token = task_state.secret(Stack(stack, config_file), "cluster-token")
    typer.echo(token)
