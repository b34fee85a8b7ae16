"""Run and undo the steps of tasks on machines, and check machines for drift."""
