"""Pulumi programs of lab stacks and app stacks, with their settings, software versions and stack outputs."""
