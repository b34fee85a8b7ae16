"""Pulumi programs of lab stacks and app stacks, with their configuration, version pins and outputs."""
