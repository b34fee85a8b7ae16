"""A Pulumi plugin that runs scripts on machines over SSH, keeps what it ran as state, and can undo it."""
