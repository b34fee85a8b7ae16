"""Pulumi provider plugin that runs scripts on machines over SSH, records each run in the state, and can undo it."""
