"""Run the program of this stack."""

from stacks import homelab

homelab.deploy()
