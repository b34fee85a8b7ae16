"""The stacks: their configuration, version pins, outputs and Pulumi programs."""
