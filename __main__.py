"""Run the Pulumi program of the selected stack."""

from stacks import main

main.deploy()
