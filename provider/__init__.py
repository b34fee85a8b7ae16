"""Pulumi provider plugin that runs scripts on machines over SSH, stores each run in Pulumi's state, and undoes runs."""
