"""`./homelab platform`: prints the lab's stack outputs for app stacks that cannot read the state of the lab's stack."""

import json
from dataclasses import fields

import typer

from components.settings.model import camel_case
from operations.console import report_errors
from operations.pulumi_stack import Stack, StackError, StackFile, StackName
from stacks.outputs import PlatformOutputs


def platform(stack: StackName = "homelab", config_file: StackFile = None) -> None:
    """Print the stack outputs that app stacks need, including a kubeconfig, as JSON. Store the JSON as a secret."""
    with report_errors():
        outputs = Stack(stack, config_file).outputs()
        if "appKubeconfig" not in outputs:
            raise StackError(f"Stack {stack} has no kubeconfig for app stacks yet: run `pulumi up` first.")
        names = [camel_case(field.name) for field in fields(PlatformOutputs)]
        platform_outputs = {name: outputs[name] for name in names if name in outputs}
    typer.echo(json.dumps(platform_outputs))
