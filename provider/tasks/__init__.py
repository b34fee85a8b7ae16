"""Tasks: steps that run on machines, their undo, and drift checks."""
