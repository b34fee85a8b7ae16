"""Run the Pulumi program of the selected stack."""

from stacks import program

program.deploy()
