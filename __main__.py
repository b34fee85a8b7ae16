"""Run the program of this stack."""

from stacks import main

main.deploy()
