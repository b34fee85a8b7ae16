"""Run the Pulumi program of the selected stack, which is a lab or an app."""

from stacks import program

program.deploy()
